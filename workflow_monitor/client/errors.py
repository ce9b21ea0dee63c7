"""Errors of the client. Each message names the remedy.

No error holds a token or an exception of httpx, because those carry the headers of requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from workflow_monitor.connection.errors import MonitorError as MonitorError  # noqa: PLC0414 - part of this module's interface


class ServerNotFound(MonitorError):
    """Discovery found no workflow server, or several; `looked_at` lists the candidates."""

    def __init__(self, text: str, looked_at: Sequence[str] = ()) -> None:
        super().__init__("\n".join([text, *(f"  - {line}" for line in looked_at)]))
        self.looked_at = tuple(looked_at)


class ServerUnreachable(MonitorError):
    """The server did not respond, or not in time."""


class IncompleteResponse(ServerUnreachable):
    """The response ended early, on every retry."""


class UnexpectedResponse(MonitorError):
    """The response is not from a workflow server, but for example from a proxy."""


class AccessDenied(MonitorError):
    """The token is invalid or lacks the permission."""


class NotSupported(MonitorError):
    """The type of the server lacks the feature."""


class ResponseLost(MonitorError):
    """The response to a write was lost. The write may have been applied; it was not repeated."""


class PanelNotFound(MonitorError, AttributeError):
    """No installed package provides a panel of this name."""


class ConfirmationRequired(MonitorError):
    """A permanent action needs `confirm`."""


class RequestRejected(MonitorError):
    """The server rejected the request. `status` and `code` are from the response, `errors` are (field, message) pairs."""

    def __init__(self, text: str, *, status: int = 0, code: str = "", errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.errors = tuple(errors)


class InvalidInput(RequestRejected):
    """The input is not valid."""


class NotFound(RequestRejected, LookupError):
    """The requested object does not exist."""


class AOINotFound(NotFound):
    """No AOI has this name."""


class ItemNotFound(NotFound):
    """No scene or tile has this id."""


class Conflict(RequestRejected):
    """The current state does not allow the request."""


class AOIExists(Conflict):
    """An AOI of this name exists."""


class SceneExists(Conflict):
    """The AOI has scenes with these source ids; `ids` has the ids of its scenes by source id."""

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        code: str = "",
        errors: Sequence[tuple[str, str]] = (),
        ids: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__(text, status=status, code=code, errors=errors)
        self.ids = dict(ids)


class InvalidTransition(Conflict):
    """The status of the item or of a linked item does not allow the transition."""


class NotRetriable(InvalidTransition):
    """Without `force`, only an item in RETRY can be retried."""


class ServerError(RequestRejected):
    """The server failed to process a valid request."""

"""What can go wrong between a notebook and a workflow server; each text says what to do about it.

None of them holds a token, nor what HTTP libraries raised: their exceptions carry the headers of requests.
"""

from __future__ import annotations

from collections.abc import Sequence

from workflow_monitor.domain.errors import escape_control_characters


class MonitorError(Exception):
    """Something went wrong; the text says what, and what helps. It is harmless to a terminal, whoever wrote parts of it."""

    def __init__(self, text: str = "") -> None:
        super().__init__("\n".join(map(escape_control_characters, text.split("\n"))))


class ServerNotFound(MonitorError):
    """No workflow server was found, or several; `looked_at` tells where it was looked."""

    def __init__(self, text: str, looked_at: Sequence[str] = ()) -> None:
        super().__init__("\n".join([text, *(f"  - {line}" for line in looked_at)]))
        self.looked_at = tuple(looked_at)


class ServerUnreachable(MonitorError):
    """Nobody answers at the address, or not in time."""


class IncompleteResponse(ServerUnreachable):
    """The server went away in the middle of its answer, also when asked again."""


class UnexpectedResponse(MonitorError):
    """What answered is no workflow server: a page of a proxy, for one."""


class AccessDenied(MonitorError):
    """The server does not accept the token, or does not let its holder do this."""


class NotSupported(MonitorError):
    """Other servers can do it; this one cannot."""


class ResponseLost(MonitorError):
    """The server may have done what it was asked to do, or not: its answer did not arrive. It was not asked twice."""


class PanelNotFound(MonitorError, AttributeError):
    """No installed package provides a panel of this name."""


class ConfirmationRequired(MonitorError):
    """What cannot be undone has to be confirmed."""


class RequestRejected(MonitorError):
    """The server understood, and said no. `code` is for programs, `errors` name the fields that are wrong."""

    def __init__(self, text: str, *, status: int = 0, code: str = "", errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.errors = tuple(errors)


class InvalidInput(RequestRejected):
    """The input is not valid."""


class NotFound(RequestRejected, LookupError):
    """What was asked for is not there."""


class AOINotFound(NotFound):
    """There is no AOI of this name."""


class ItemNotFound(NotFound):
    """There is no scene or tile of this id."""


class Conflict(RequestRejected):
    """The present state does not allow it."""


class AOIExists(Conflict):
    """An AOI of this name is already there."""


class SceneExists(Conflict):
    """The AOI already has a scene of this source id."""


class InvalidTransition(Conflict):
    """The status of the item, or of one beside it, does not allow it."""


class NotRetriable(InvalidTransition):
    """Only what is in RETRY can be retried without force."""


class ServerError(RequestRejected):
    """The server could not do it, for a reason of its own."""

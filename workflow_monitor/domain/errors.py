"""Errors of the workflow.

Each error has a stable `code`, an HTTP `status` (RFC 9110), a fixed `title`, and a `detail` with the cause and the remedy.
Messages quote inputs of clients in short form only. The documentation explains a code with the docstring of its class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

QUOTED_LENGTH = 120


def shorten_for_message(value: object) -> str:
    """A value as it is shown in a message: on one line, cut if it is long.

    >>> shorten_for_message("a" * 500)[-5:]
    "aaa…'"
    """
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= QUOTED_LENGTH else text[: QUOTED_LENGTH - 1] + "…"
    return repr(short) if isinstance(value, str) else short


def escape_control_characters(text: str) -> str:
    r"""Return the text with control and direction characters escaped, which a terminal would interpret.

    >>> escape_control_characters("Aarhus\x1b[2J\u202e")
    'Aarhus\\x1b[2J\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


@dataclass(frozen=True, slots=True)
class FieldError:
    """Error in one field of the input; `field` is a path such as `tiles.A44_IW1_8951.data.tile_nr`."""

    field: str
    message: str


class WorkflowError(Exception):
    """Something the workflow server refuses to do, or cannot do."""

    status = 500
    code = "internal-error"
    title = "The server failed"

    def __init__(self, detail: str, errors: Iterable[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors: Sequence[FieldError] = tuple(errors)
        #: further members of the problem document, such as the id of the scene that is already there
        self.extra: dict[str, object] = {}


class InvalidInput(WorkflowError):
    """The request cannot be understood; `errors` name the fields."""

    status = 400
    code = "invalid-input"
    title = "The input is not valid"


class DocumentTooLarge(WorkflowError):
    """The data of the scene or tile would exceed the limit of stored documents. Nothing was stored; keep large data elsewhere and store a link."""

    status = 413
    code = "document-too-large"
    title = "The data are too large to be stored"

    def __init__(self, field: str, size: int, limit: int) -> None:
        message = f"would have {size} bytes as JSON; expected at most {limit} (max_data_length)"
        super().__init__(f"{field or 'The data'}: {message}.", [FieldError(field, message)])


class UnknownStatus(InvalidInput):
    """A text that is no status."""

    code = "unknown-status"
    title = "There is no such status"

    def __init__(self, text: str, expected: Sequence[str]) -> None:
        super().__init__(f"{shorten_for_message(text)} is not a status; expected one of {', '.join(expected)}.")


class NotFound(WorkflowError):
    """The requested object does not exist."""

    status = 404
    code = "not-found"
    title = "Not found"


class AOINotFound(NotFound):
    """No AOI has this name."""

    code = "aoi-not-found"
    title = "There is no such AOI"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no AOI {shorten_for_message(name)}. GET /aoi/ lists those that are there.")


class ItemNotFound(NotFound):
    """No scene or tile has this id."""

    def __init__(self, kind: str, item_id: int) -> None:
        super().__init__(f"There is no {kind} with the id {item_id}.")
        self.code = f"{kind}-not-found"
        self.title = f"There is no such {kind}"


class Conflict(WorkflowError):
    """The present state does not allow the request."""

    status = 409
    code = "conflict"
    title = "The present state does not allow this"


class InvalidTransition(Conflict):
    """The status of the item, or of a neighbour in the graph, does not allow the action."""

    code = "status-does-not-allow"


class StoreReadOnly(Conflict):
    """The server is configured as read-only."""

    code = "read-only"
    title = "This server changes nothing"

    def __init__(self) -> None:
        super().__init__("This server is read-only (trait read_only). Send the request to a server that may write.")


class AOIExists(Conflict):
    """An AOI with this name exists already."""

    code = "aoi-exists"
    title = "The AOI is already there"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already an AOI {shorten_for_message(name)}.")


class SceneExists(Conflict):
    """The AOI already has scenes with these source ids; `ids` maps a source id to the id of its scene."""

    code = "scene-exists"
    title = "The scene is already there"

    def __init__(self, aoi: str, ids: dict[str, int]) -> None:
        names = list(ids)
        shown = ", ".join(f"{shorten_for_message(name)} (id {ids[name]})" for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        super().__init__(
            f"The AOI {shorten_for_message(aoi)} already has {shown}{more}. Nothing was added; `existing=skip` adds the others."
        )
        self.ids = ids
        self.extra = {"ids": ids} | ({"id": ids[names[0]]} if len(names) == 1 else {})


class LeaseNotFound(Conflict):
    """The lease has expired, its job has ended, or it never existed."""

    status = 404
    code = "lease-not-found"
    title = "There is no such lease"

    def __init__(self, lease: str) -> None:
        super().__init__(
            f"The lease {shorten_for_message(lease)} is not in force: it has run out, its job was finished, or it never was. "
            "Stop the work on its job and lease another."
        )


class StoreUnavailable(WorkflowError):
    """The store cannot be read or written at the moment; `detail` gives the reason and the remedy."""

    status = 503
    code = "store-unavailable"
    title = "The store is not available"


class StoreInUse(StoreUnavailable):
    """Another process owns the store; `contact` is the endpoint that it advertises, or empty."""

    def __init__(self, detail: str, contact: str = "") -> None:
        super().__init__(detail)
        self.contact = contact

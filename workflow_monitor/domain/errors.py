"""Everything that can be refused, with what the caller needs to know to go on.

Each error has a `code` that programs can rely on, an HTTP `status` (RFC 9110), a fixed `title` and a
`detail` for this case. Inputs of the caller are quoted in short form only.
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
    r"""The text with everything escaped that a terminal would act upon: control characters, and those that turn text.

    >>> escape_control_characters("Aarhus\x1b[2J\u202e")
    'Aarhus\\x1b[2J\\u202e'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the input; `field` is a path such as `tiles.A44_IW1_8951.data.tile_nr`."""

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


class UnknownStatus(InvalidInput):
    """A text that is no status."""

    code = "unknown-status"
    title = "There is no such status"

    def __init__(self, found: str, expected: Sequence[str]) -> None:
        super().__init__(f"{shorten_for_message(found)} is not a status; expected one of {', '.join(expected)}.")


class NotFound(WorkflowError):
    """What was asked for is not there."""

    status = 404
    code = "not-found"
    title = "Not found"


class AOINotFound(NotFound):
    """There is no AOI of this name."""

    code = "aoi-not-found"
    title = "There is no such AOI"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no AOI {shorten_for_message(name)}. GET /aoi/ lists those that are there.")


class ItemNotFound(NotFound):
    """There is no scene or tile of this id."""

    def __init__(self, kind: str, number: int) -> None:
        super().__init__(f"There is no {kind} with the id {number}.")
        self.code = f"{kind}-not-found"
        self.title = f"There is no such {kind}"


class Conflict(WorkflowError):
    """The present state does not allow it."""

    status = 409
    code = "conflict"
    title = "The present state does not allow this"


class InvalidTransition(Conflict):
    """The status of an item, or of one beside it, does not allow the action."""

    code = "status-does-not-allow"


class StoreReadOnly(Conflict):
    """The server was told to change nothing."""

    code = "read-only"
    title = "This server changes nothing"

    def __init__(self) -> None:
        super().__init__("This server only looks at the ingestion (read_only): ask one that may change it.")


class AOIExists(Conflict):
    """An AOI of this name is already there."""

    code = "aoi-exists"
    title = "The AOI is already there"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already an AOI {shorten_for_message(name)}.")


class SceneExists(Conflict):
    """The AOI already has scenes of these source ids; `ids` are theirs, by source id."""

    code = "scene-exists"
    title = "The scene is already there"

    def __init__(self, aoi: str, ids: dict[str, int]) -> None:
        names = list(ids)
        shown = ", ".join(f"{shorten_for_message(name)} (id {ids[name]})" for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        super().__init__(f"The AOI {shorten_for_message(aoi)} already has {shown}{more}. Nothing was added.")
        self.ids = ids
        self.extra = {"id": ids[names[0]]} if len(names) == 1 else {"ids": ids}


class LeaseNotFound(Conflict):
    """A lease has run out, was returned, or never was."""

    status = 404
    code = "lease-not-found"
    title = "There is no such lease"

    def __init__(self, lease: str) -> None:
        super().__init__(
            f"The lease {shorten_for_message(lease)} is not in force: it has run out, its job was finished, or it never was. "
            "Stop the work on its job and lease another."
        )


class StoreUnavailable(WorkflowError):
    """The store cannot be read or written at the moment; `detail` says why and what helps."""

    status = 503
    code = "store-unavailable"
    title = "The store is not available"


class StoreInUse(StoreUnavailable):
    """Another process owns the store; `contact` is what that process told of itself, empty if nothing."""

    def __init__(self, detail: str, contact: str = "") -> None:
        super().__init__(detail)
        self.contact = contact

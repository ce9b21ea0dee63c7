"""Problem documents (RFC 9457), the error codes in them, and the explanation of each code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, UnsetType

from workflow_monitor.documents.document import Document
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.errors import WorkflowError


class FieldErrorDocument(Document):
    """An invalid field of the request."""

    field: Annotated[str, Meta(description="Path of the field, such as `tiles.A44_IW1_8951.data.tile_nr`.")]
    message: str


@thread_safe_struct
class ProblemDocument(Document):
    """An error. Some codes have further members, such as the `id` of a scene that exists already."""

    type: Annotated[str, Meta(extra_json_schema={"format": "uri-reference"}, description="Link to the explanation.")]
    title: Annotated[str, Meta(description="Summary of the code.")]
    status: Annotated[int, Meta(description="HTTP status.")]
    detail: Annotated[str, Meta(description="Cause of this error and the remedy.")]
    code: Annotated[str, Meta(description="Error code, stable across releases.")]
    errors: list[FieldErrorDocument] | UnsetType = UNSET


class ErrorCode(NamedTuple):
    """An error code, as the documentation lists it."""

    code: str
    status: int
    title: str
    explanation: str


#: errors whose code depends on the kind of the item
_BY_KIND = (
    ErrorCode("scene-not-found", 404, "There is no such scene", "There is no scene with this id."),
    ErrorCode("tile-not-found", 404, "There is no such tile", "There is no tile with this id."),
)


def error_codes() -> list[ErrorCode]:
    """Return every error code of the imported modules, ordered by HTTP status and code.

    Codes are the `code` of the subclasses of WorkflowError. A subclass that inherits its code is documented by the class
    that defines the code.
    """
    codes = {code.code: code for code in _BY_KIND}
    for error in _with_subclasses(WorkflowError):
        if "code" in vars(error):
            codes.setdefault(
                error.code, ErrorCode(error.code, error.status, error.title, inspect.getdoc(error) or error.title)
            )
    return sorted(codes.values(), key=lambda code: (code.status, code.code))


def _with_subclasses(error: type[WorkflowError]) -> Iterator[type[WorkflowError]]:
    yield error
    for subclass in error.__subclasses__():
        yield from _with_subclasses(subclass)

"""The words in which an endpoint is described; handlers and the OpenAPI document are made from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_monitor.documents.media_types import JSON
from workflow_monitor.server.handlers.base import Handler


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a path, a query or a header; `schema` is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, object]
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Content:
    """What a request or an answer carries: for each media type the name of its schema."""

    description: str
    schemas: Mapping[str, str] = field(default_factory=dict)
    example: object = None


def json_content(description: str, schema: str, example: object = None) -> Content:
    """Content that is JSON."""
    return Content(description, {JSON: schema}, example)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a verb of an endpoint does."""

    summary: str
    answers: Mapping[int, Content]
    body: Content | None = None
    parameters: tuple[Parameter, ...] = ()
    #: statuses of errors, beside those that any endpoint may have
    errors: tuple[int, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Route:
    """A path below the prefix, its handler with the handler's own arguments, and what each verb does."""

    tag: str
    path: str
    handler: type[Handler]
    operations: Mapping[str, Operation]
    arguments: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.operations) != set(self.handler.verbs):
            raise TypeError(f"{self.path} describes {set(self.operations)}, the handler has {self.handler.verbs}")

    @property
    def pattern(self) -> str:
        """The path as a regular expression over what was sent: a parameter is one segment, decoded afterwards."""
        slash = "?" if self.path in {"/", "/aoi/"} else ""
        return re.sub(r"\\?\{(\w+)\\?\}", r"(?P<\1>[^/]+)", self.path) + slash

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters of the path."""
        return re.findall(r"\{(\w+)\}", self.path)

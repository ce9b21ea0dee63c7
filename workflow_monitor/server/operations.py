"""Descriptions of endpoints, the common source of the handlers and of the OpenAPI document."""

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
    """Content of a request or a response; `schemas` maps media types to names of schemas."""

    description: str
    schemas: Mapping[str, str] = field(default_factory=dict)
    example: object = None


def json_content(description: str, schema: str, example: object = None) -> Content:
    """Return JSON content with the given schema."""
    return Content(description, {JSON: schema}, example)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of an endpoint: documentation, parameters, body and responses by status."""

    summary: str
    responses: Mapping[int, Content]
    body: Content | None = None
    parameters: tuple[Parameter, ...] = ()
    #: error statuses beyond those that every endpoint may return
    errors: tuple[int, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Route:
    """A path below the prefix, its handler with arguments, and the operation of each method."""

    tag: str
    path: str
    handler: type[Handler]
    operations: Mapping[str, Operation]
    arguments: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.operations) != set(self.handler.verbs):
            raise TypeError(
                f"{self.path} describes the methods {set(self.operations)}, the handler has {self.handler.verbs}"
            )

    @property
    def pattern(self) -> str:
        """The path as a regular expression for the encoded path; a parameter matches one segment, a final slash is optional."""
        return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path.rstrip("/")) + "/?"

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters of the path."""
        return re.findall(r"\{(\w+)\}", self.path)

"""The OpenAPI 3.1 document of the endpoints, generated from the list of routes."""

from __future__ import annotations

import http
from collections.abc import Iterable
from typing import Any

from workflow_monitor import __version__
from workflow_monitor.documents.media_types import PROBLEM, TEXT
from workflow_monitor.documents.problem import error_codes
from workflow_monitor.documents.schemas import document_schemas
from workflow_monitor.domain.status import QUEUE_KINDS, Status
from workflow_monitor.server.handlers.access import OPEN
from workflow_monitor.server.handlers.base import NAMESPACE
from workflow_monitor.server.operations import Content, Operation, Parameter, Route
from workflow_monitor.server.worker_token import allows_worker_token

Document = dict[str, Any]

#: error statuses that any endpoint may return
EVERYWHERE = (400, 403, 503)

PATH_PARAMETERS: dict[str, Document] = {
    "aoi": {
        "description": "The name of an AOI, percent-encoded (a slash is `%2F`).",
        "schema": {"type": "string"},
        "example": "DenmarkDemoS2",
    },
    "id": {
        "description": "The id of a scene or a tile.",
        "schema": {"type": "integer", "format": "int64"},
        "example": 12,
    },
    "status": {
        "description": "A status, case-insensitive.",
        "schema": {"$ref": "#/components/schemas/Status"},
        "example": Status.RETRY,
    },
    "queue": {"description": "The name of a queue.", "schema": {"enum": list(QUEUE_KINDS)}, "example": "processor"},
    "lease": {"description": "A valid lease.", "schema": {"type": "string"}, "example": "wX7"},
}

SECURITY: dict[str, Document] = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`token …`: the token of the Jupyter server.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of the Jupyter server."},
    "worker": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`token …` or `Bearer …`: the worker token, valid for these operations only.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "_xsrf",
        "description": "The cookies of a browser after login. Requests that change data also need the header "
        "`X-XSRFToken` with the value of the cookie `_xsrf`.",
    },
}

#: security schemes of every endpoint
USER_SECURITY: list[Document] = [{name: []} for name in SECURITY if name != "worker"]


def openapi(routes: Iterable[Route], base_url: str) -> Document:
    """Return the OpenAPI document of routes below the base URL of a Jupyter server."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workflow Monitor",
            "version": __version__,
            "summary": "The workflow of Earth-observation ingestions: scenes, tiles, jobs, results.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": f"{base_url}{NAMESPACE}"}],
        "security": USER_SECURITY,
        "paths": {route.path: _path(route) for route in routes},
        "components": {
            "schemas": document_schemas(),
            "securitySchemes": SECURITY,
            "responses": {str(status): _error(status) for status in sorted(_error_statuses())},
        },
    }


def _error_statuses() -> set[int]:
    return {code.status for code in error_codes()} | {422, 501}


def _error(status: int) -> Document:
    codes = [code.code for code in error_codes() if code.status == status]
    title = http.HTTPStatus(status).phrase
    return {
        "description": f"{title}. {'Codes: ' + ', '.join(codes) + '.' if codes else ''}".strip(),
        "content": {
            PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}},
            # of the endpoints of the Geocube's workflow server, without a JSON type in Accept
            TEXT: {"schema": {"$ref": "#/components/schemas/Text"}},
        },
    }


def _path(route: Route) -> Document:
    path: Document = {verb: _operation(route, verb, operation) for verb, operation in route.operations.items()}
    if route.parameters:
        path["parameters"] = [
            {"name": name, "in": "path", "required": True, **PATH_PARAMETERS[name]} for name in route.parameters
        ]
    return path


def _operation(route: Route, verb: str, operation: Operation) -> Document:
    errors = {*operation.errors, *EVERYWHERE} | ({413, 415, 429} if operation.body else set())
    described: Document = {
        "operationId": _operation_id(route, verb),
        "tags": [route.tag],
        "summary": operation.summary,
        "responses": {
            **{str(status): _content(content) for status, content in operation.responses.items()},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(errors)},
        },
    }
    method = getattr(route.handler, verb)
    if allows_worker_token(method):
        described["security"] = [*USER_SECURITY, {"worker": []}]
    elif method._guarded_for == OPEN:  # noqa: SLF001 - set by `guards.allows_anyone`
        described["security"] = []
    if operation.description:
        described["description"] = operation.description
    if operation.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body:
        described["requestBody"] = {"required": True, **_content(operation.body)}
    return described


def _operation_id(route: Route, verb: str) -> str:
    words = [word.strip("{}").replace(".", "_") for word in route.path.split("/") if word]
    return "_".join([verb, *words]) if words else f"{verb}_root"


def _parameter(parameter: Parameter) -> Document:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _content(content: Content) -> Document:
    described: Document = {"description": content.description}
    if content.schemas:
        described["content"] = {
            media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}
            for media_type, schema in content.schemas.items()
        }
        if content.example is not None:
            next(iter(described["content"].values()))["example"] = content.example
    return described

"""Endpoints of the server: state, documentation, backups."""

from __future__ import annotations

from workflow_monitor.documents import media_types
from workflow_monitor.server.handlers import backups, meta
from workflow_monitor.server.operations import Content, Operation, Route, json_content
from workflow_monitor.server.routes.parameters import format_parameter

SERVER = [
    Route(
        "server",
        "/",
        meta.Root,
        {
            "get": Operation(
                "Check the state of the server",
                {
                    200: Content(
                        "The server and its store are available.",
                        {media_types.TEXT: "Text", media_types.JSON: "Root"},
                        "ingester ok",
                    )
                },
                parameters=(format_parameter("text", "json"),),
            )
        },
    ),
    Route(
        "server",
        "/healthz",
        meta.Health,
        {
            "get": Operation(
                "Check the health of the server",
                {200: Content("The server and its store are available.")},
                description="Needs no token. The response has no body; 503 means that the server cannot reach its store.",
            )
        },
    ),
    Route(
        "server",
        "/openapi.json",
        meta.OpenAPI,
        {"get": Operation("Return the OpenAPI document", {200: json_content("OpenAPI 3.1.", "Object")})},
    ),
    Route(
        "server",
        "/docs",
        meta.Docs,
        {"get": Operation("Show the documentation page", {200: Content("An HTML page.", {"text/html": "Text"})})},
    ),
]

_BACKUP = {
    "file": "/srv/workflow.duckdb.backups/20220104T103431Z.duckdb",
    "made": "2022-01-04T10:34:31Z",
    "bytes": 3420160,
}

BACKUPS = [
    Route(
        "server",
        "/backups",
        backups.Backups,
        {
            "get": Operation(
                "List the backups", {200: json_content("The backups, the newest first.", "Backups", [_BACKUP])}
            ),
            "post": Operation(
                "Create a backup",
                {201: json_content("The backup, which has been verified.", "Backup", _BACKUP)},
                errors=(409,),
                description="A consistent snapshot; the server continues to work meanwhile. Removes the oldest backups beyond `keep_backups`.",
            ),
        },
    ),
]

"""State of the server, documentation of the endpoints, unknown paths."""

from __future__ import annotations

from workflow_monitor.documents.media_types import JSON, TEXT
from workflow_monitor.server import docs_page
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.negotiation import AS_JSON, AS_TEXT
from workflow_monitor.server.problems import PathNotFound


class Root(Handler):
    """State of the server and its store."""

    _track_activity = False

    @requires_read
    async def get(self) -> None:
        form = self.negotiate(AS_TEXT, AS_JSON)
        await self.backend.engine()
        if form is AS_JSON:
            self.write_json({"state": "ingester ok", "instance": self.backend.instance})
        else:
            self.write_text("ingester ok", TEXT)


class OpenAPI(Handler):
    """OpenAPI document of the endpoints."""

    needs_store = False
    document: str

    @requires_read
    async def get(self) -> None:
        self.write_text(self.document, JSON)


class Docs(Handler):
    """Documentation page of the endpoints."""

    needs_store = False
    html: str

    @property
    def content_security_policy(self) -> str:
        """Policy that permits the style of the page only."""
        return docs_page.CONTENT_SECURITY_POLICY

    @requires_read
    async def get(self) -> None:
        self.write_text(self.html, "text/html; charset=utf-8")


class NotFound(Handler):
    """Any path without an endpoint."""

    @requires_read
    async def get(self, **_: object) -> None:
        raise PathNotFound

    @requires_read
    async def head(self, **_: object) -> None:
        raise PathNotFound

    @requires_write
    async def post(self, **_: object) -> None:
        raise PathNotFound

    @requires_write
    async def put(self, **_: object) -> None:
        raise PathNotFound

    @requires_write
    async def patch(self, **_: object) -> None:
        raise PathNotFound

    @requires_write
    async def delete(self, **_: object) -> None:
        raise PathNotFound

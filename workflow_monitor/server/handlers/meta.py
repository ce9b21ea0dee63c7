"""State of the server, documentation of the endpoints, unknown paths."""

from __future__ import annotations

from workflow_monitor.documents.media_types import HTML, JSON, TEXT
from workflow_monitor.server import docs_page
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import allows_anyone, requires_read, requires_write
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


class Health(Handler):
    """Health check of the server and its store for callers without a token: a status without a body."""

    needs_store = False
    _track_activity = False

    @allows_anyone
    async def get(self) -> None:
        await self.backend.check_health()
        self.write_empty(200)

    def write_error(self, status_code: int, **_: object) -> None:
        """Respond without a body: the reason is for authenticated callers."""
        self.set_error_headers(status_code)
        self.write_empty(status_code)


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
        if self.below_prefix.endswith("/"):
            # The page has relative links.
            self.redirect(f"{self.prefix}/docs", permanent=True)
            return
        self.write_text(self.html, HTML)


class NotFound(Handler):
    """Any path without an endpoint."""

    @requires_read
    async def get(self, **_: object) -> None:
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

"""That the server is there, what it can do, and what it does not know."""

from __future__ import annotations

from workflow_monitor.server import docs_page
from workflow_monitor.server.handlers.base import Handler, reads, writes
from workflow_monitor.server.problems import PathNotFound
from workflow_monitor.server.representations import AS_JSON, AS_TEXT, JSON, TEXT


class Root(Handler):
    """Whether the server is there and has its store."""

    _track_activity = False

    @reads
    async def get(self) -> None:
        form = self.form(AS_TEXT, AS_JSON)
        await self.backend.engine()
        if form is AS_JSON:
            self.answer_json({"state": "ingester ok", "instance": self.backend.instance})
        else:
            self.answer_text("ingester ok", TEXT)


class OpenAPI(Handler):
    """The description of the endpoints for programs."""

    needs_store = False
    document: str

    @reads
    async def get(self) -> None:
        self.answer_text(self.document, JSON)


class Docs(Handler):
    """The description of the endpoints for people."""

    needs_store = False
    html: str

    @property
    def content_security_policy(self) -> str:
        """Nothing but the page's own style."""
        return docs_page.CONTENT_SECURITY_POLICY

    @reads
    async def get(self) -> None:
        self.answer_text(self.html, "text/html; charset=utf-8")


class Unknown(Handler):
    """Every other path."""

    @reads
    async def get(self, **_: object) -> None:
        raise PathNotFound

    @reads
    async def head(self, **_: object) -> None:
        raise PathNotFound

    @writes
    async def post(self, **_: object) -> None:
        raise PathNotFound

    @writes
    async def put(self, **_: object) -> None:
        raise PathNotFound

    @writes
    async def patch(self, **_: object) -> None:
        raise PathNotFound

    @writes
    async def delete(self, **_: object) -> None:
        raise PathNotFound

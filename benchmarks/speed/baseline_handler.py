"""Jupyter extension with an empty authorized endpoint: the upper limit for every other endpoint."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from tornado import web

PATH = "/empty"


class Empty(APIHandler):
    """Respond with an empty object."""

    auth_resource = "empty"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.finish("{}")

    @web.authenticated
    @authorized
    async def post(self) -> None:
        self.finish("{}")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    app.web_app.add_handlers(".*$", [(app.base_url.rstrip("/") + PATH, Empty)])  # type: ignore[no-untyped-call]

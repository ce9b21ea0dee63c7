"""A Jupyter server with the extension, in the process of the tests, on a real port."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 - the fixtures of a Jupyter server, and its runner of coroutines
from traitlets.config import Config

from workflow_monitor.documents.media_types import PROBLEM

PREFIX = "/a%40b/workflow-monitor"


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int) -> dict[str, Any]:
        """Return the problem document, after a check of its status."""
        assert self.status == status, self.text
        assert self.media_type == "application/problem+json"
        document: dict[str, Any] = self.json()
        assert document["status"] == status
        assert {"type", "title", "detail", "code"} <= set(document)
        return document


Fetch = Callable[..., Awaitable[Response]]


@pytest.fixture
def traits() -> dict[str, Any]:
    """Traits of WorkflowMonitor; tests override this."""
    return {}


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "workflow.duckdb"


#: Mark of modules with tests for every kind of store.
ON_ALL_STORES = pytest.mark.parametrize("store_kind", ["duckdb", "postgresql"], indirect=True)


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> str:
    """Kind of the store of the server."""
    return str(getattr(request, "param", "duckdb"))


@pytest.fixture
def store_url(store_kind: str, store_path: Path, request: pytest.FixtureRequest) -> str:
    if store_kind == "duckdb":
        return f"duckdb:///{store_path}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture  # type: ignore[no-redef]
def jp_server_config(traits: dict[str, Any], store_url: str) -> Config:
    return Config(
        {
            "ServerApp": {
                # Another extension's open endpoint would be a warning, and so an error, as one of this extension would be.
                "jpserver_extensions": {"workflow_monitor": True, "jupyter_server_terminals": False},
                "allow_unauthenticated_access": False,
                "reraise_server_extension_failures": True,
            },
            "WorkflowMonitor": {"store_url": store_url, **traits},
        }
    )


@pytest.fixture
def fetch(http_server_client: Any, jp_auth_header: dict[str, str]) -> Fetch:
    """Send a request to a path below the prefix, and return the response whatever its status."""

    async def send(
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        authorized: bool = True,
    ) -> Response:
        content = body if isinstance(body, str | bytes | None) else json.dumps(body)
        if content is None and method in {"POST", "PUT", "PATCH"}:
            content = ""
        response = await http_server_client.fetch(
            PREFIX + path,
            method=method,
            body=content,
            headers={"Accept": PROBLEM, **(jp_auth_header if authorized else {}), **(headers or {})},
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
            request_timeout=30,
        )
        return Response(response.code, response.headers, response.body)

    return send


def scene(name: str, *, aoi: str = "Fyn", tiles: tuple[str, ...] = ("t1",), after: str | None = None) -> dict[str, Any]:
    """Return the document of a scene; its tiles link to the tiles of the scene `after`."""
    links = {
        tile: {
            "previous_scene_id": after,
            "previous_tile_id": tile,
            "reference_scene_id": after,
            "reference_tile_id": tile,
        }
        if after
        else {}
        for tile in tiles
    }
    return {
        "source_id": name,
        "aoi": aoi,
        "data": {"date": "2022-01-04T10:34:31.024Z", "tiles": {tile: {"swath_id": "", "tile_nr": 0} for tile in tiles}},
        "retry_count": 1,
        "tiles": {tile: {**link, "data": {"graph_name": "g"}} for tile, link in links.items()},
    }


Add = Callable[..., Awaitable[int]]


@pytest.fixture
def add(fetch: Fetch) -> Add:
    """Add a scene to an AOI, create the AOI if it is missing, and return the id of the scene."""

    async def add_scene(name: str = "s1", **options: Any) -> int:
        document = scene(name, **options)
        await fetch("POST", f"/aoi/{document['aoi']}")
        answer = await fetch("POST", f"/aoi/{document['aoi']}/scene", document)
        assert answer.status == 200, answer.text
        scene_id: int = answer.json()["id"]
        return scene_id

    return add_scene

"""A server without a store: problems of the endpoints, recovery and shutdown."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.server.conftest import Fetch
from tests.integration.server.test_routes import ENDPOINTS
from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.server.backend import Backend
from workflow_monitor.server.extension import URL_VARIABLE
from workflow_monitor.store import open_store
from workflow_monitor.store.interfaces import Store

STORELESS = {"/docs", "/openapi.json"}
BODIES = {
    "/results": [{"type": "scene", "id": 1, "status": "DONE"}],
    "POST /jobs/processor/lease": {"max": 1, "seconds": 60, "worker": "w"},
    "PUT /jobs/processor/lease": {"leases": [], "seconds": 60},
    "/jobs/processor/lease/none": {"seconds": 60},
    "/aoi/Fyn/scenes": [],
    "/aoi/Fyn/scene": {},
}


class TestStoreInUse:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"retry_opening_seconds": 0.0}

    @pytest.fixture
    def other_server(self, store_path: Path) -> Iterator[Store]:
        store = open_store(f"duckdb:///{store_path}")
        yield store
        store.close()

    async def test_the_store_opens_after_the_other_process_closes_it(self, other_server: Store, fetch: Fetch) -> None:
        problem = (await fetch("GET", "/aoi/")).problem(503)
        assert problem["code"] == "store-unavailable"
        assert str(os.getpid()) in problem["detail"]
        other_server.close()
        assert (await fetch("POST", "/aoi/Fyn")).status == 204
        assert (await fetch("GET", "/")).text == "ingester ok"


class TestDamagedFile:
    @pytest.fixture
    def store_path(self, tmp_path: Path) -> Path:
        path = tmp_path / "workflow.duckdb"
        path.write_bytes(b"this is no database" * 1000)
        return path

    async def test_every_endpoint_reports_the_damaged_file(self, fetch: Fetch, store_path: Path, jp_fetch: Any) -> None:
        for method, path in ENDPOINTS:
            body = BODIES.get(f"{method} {path}", BODIES.get(path, {} if method in {"PUT", "PATCH"} else None))
            response = await fetch(method, path, body)
            if path in STORELESS:
                assert response.status == 200
                continue
            if path in {"/aoi/Fyn/scene", "/aoi/Fyn/find"}:
                assert response.status == 400
                continue
            if path == "/healthz":
                assert (response.status, response.body) == (503, b"")
                continue
            problem = response.problem(503)
            assert str(store_path) in problem["detail"], (method, path)
            assert response.headers["Retry-After"]
        assert (await jp_fetch("api", "status")).code == 200

    @pytest.mark.usefixtures("jp_serverapp")
    def test_the_damaged_file_is_unchanged(self, store_path: Path) -> None:
        assert store_path.read_bytes() == b"this is no database" * 1000


@pytest.mark.parametrize("traits", [{"store_url": "moon://x"}, {"queue": "moon"}])
async def test_an_unknown_store_or_queue_is_named(fetch: Fetch, traits: dict[str, Any]) -> None:
    assert "moon" in (await fetch("GET", "/")).problem(503)["detail"]


async def test_stopping_releases_the_store(fetch: Fetch, jp_serverapp: Any, store_path: Path) -> None:
    await fetch("POST", "/aoi/Fyn")
    with pytest.raises(StoreUnavailable):
        open_store(f"duckdb:///{store_path}")
    extension = jp_serverapp.web_app.settings["workflow_monitor"]
    await extension.stop_extension()
    await extension.stop_extension()
    store = open_store(f"duckdb:///{store_path}")
    assert [aoi.name for aoi in store.reader.aois()] == ["Fyn"]
    store.close()
    assert (await fetch("GET", "/aoi/")).problem(503)["detail"] == "The server is shutting down."
    assert (await fetch("POST", "/aoi/Als")).problem(503)


async def test_calls_waiting_for_a_thread_fail_on_close() -> None:
    started, release = threading.Event(), threading.Event()
    backend = Backend(lambda: pytest.fail("the store was opened"), threads=1)

    def hold() -> bool:
        started.set()
        return release.wait(30)

    running = asyncio.ensure_future(backend.run(hold))
    waiting = asyncio.ensure_future(backend.run(lambda: True))
    await asyncio.to_thread(started.wait, 30)
    await backend.close()
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await waiting
    release.set()
    assert await running


async def test_kernels_inherit_the_url_of_the_server(jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    extension = jp_serverapp.web_app.settings["workflow_monitor"]
    await extension._start_jupyter_server_extension(jp_serverapp)
    assert os.environ[URL_VARIABLE] == f"{jp_serverapp.connection_url}workflow-monitor"
    assert jp_serverapp.identity_provider.token not in os.environ[URL_VARIABLE]


async def test_the_default_store_is_in_the_data_directory_of_jupyter(jp_environ: None, jp_data_dir: Path) -> None:
    from workflow_monitor.server.extension import WorkflowMonitor

    engine = WorkflowMonitor()._open_engine()
    engine.close()
    assert (jp_data_dir / "workflow_monitor" / "workflow.duckdb").exists()

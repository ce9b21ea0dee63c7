"""Work beyond the limits of the server: refused with a reason, while other requests proceed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

from tests.integration.server.conftest import Add, Fetch, Response
from workflow_monitor.server.backend import Backend

MEBIBYTE = 2**20


@pytest.fixture
def backend(jp_serverapp: ServerApp) -> Backend:
    [app] = jp_serverapp.extension_manager.extension_apps["workflow_monitor"]
    found: Backend = app.backend
    return found


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


class TestDrawings:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"drawing_threads": 1, "max_queued_drawings": 2, "reader_threads": 1, "drawing_seconds": 600}

    @pytest.fixture
    def release(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Install a `dot` that draws once this file exists."""
        release, program = tmp_path / "release", tmp_path / "programs" / "dot"
        program.parent.mkdir()
        program.write_text(
            f"#!/bin/sh\nwhile [ ! -e {release} ]; do /bin/sleep 0.05; done\n"
            "echo '<svg xmlns=\"http://www.w3.org/2000/svg\"/>'\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        return release

    @pytest.mark.timeout(60)
    async def test_drawings_leave_the_readers_free_and_their_queue_is_limited(
        self, fetch: Fetch, add: Add, release: Path
    ) -> None:
        await add()
        drawings = [asyncio.ensure_future(fetch("GET", "/aoi/Fyn/dot?format=svg")) for _ in range(8)]
        refused: list[Response] = []
        for finished in asyncio.as_completed(drawings):
            refused.append(await finished)
            if len(refused) == 5:
                break
        for response in refused:
            assert response.problem(429)["code"] == "too-many-drawings"
            assert response.headers["Retry-After"] == "5"
        for path in ("/scene/1", "/aoi/Fyn/scenes", "/aoi/Fyn/dot"):
            assert (await fetch("GET", path)).status == 200
        release.touch()
        statuses = sorted([response.status for response in await asyncio.gather(*drawings)])
        assert statuses == [200] * 3 + [429] * 5
        assert (await fetch("GET", "/aoi/Fyn/dot?format=svg")).status == 200


class TestBodies:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"max_bodies_mib": 2, "max_body_mib": 4}

    @pytest.fixture
    def uploading(self, jp_serverapp: ServerApp, jp_auth_header: dict[str, str]) -> Callable[[int], Any]:
        @asynccontextmanager
        async def upload(size: int) -> AsyncIterator[None]:
            """Send a part of a body, and keep the connection open."""
            _reader, writer = await asyncio.open_connection("127.0.0.1", jp_serverapp.port)
            head = (
                f"POST /a%40b/workflow-monitor/results HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: {jp_auth_header['Authorization']}\r\nContent-Length: {4 * MEBIBYTE}\r\n\r\n"
            )
            writer.write(head.encode() + b" " * size)
            await writer.drain()
            try:
                yield
            finally:
                writer.close()
                await writer.wait_closed()

        return upload

    @pytest.mark.timeout(60)
    async def test_bodies_in_flight_are_limited_together(
        self, fetch: Fetch, add: Add, backend: Backend, uploading: Callable[[int], Any]
    ) -> None:
        await add()
        large = b" " * MEBIBYTE + b"[]"
        result = {"type": "scene", "id": 1, "status": "DONE"}
        async with uploading(3 * MEBIBYTE // 2):
            await until(lambda: backend.bodies.used >= 3 * MEBIBYTE // 2)
            response = await fetch("POST", "/results", large)
            assert response.problem(429)["code"] == "too-many-bodies"
            assert "max_bodies_mib" in response.text
            assert response.headers["Retry-After"] == "5"
            assert (await fetch("POST", "/results", [result])).json()["applied"] == 1
        await until(lambda: backend.bodies.used == 0)
        assert (await fetch("POST", "/results", large)).status == 200
        assert backend.bodies.used == 0

    async def test_each_response_returns_its_part_of_the_budget(self, fetch: Fetch, backend: Backend) -> None:
        for body, status in ((b" " * MEBIBYTE, 400), (b" " * 5 * MEBIBYTE, 413), (b" " * MEBIBYTE + b"[]", 200)):
            assert (await fetch("POST", "/results", body)).status == status
            assert backend.bodies.used == 0


class TestStoredDocuments:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"max_data_length": 10_000}

    async def test_patches_do_not_grow_a_document_beyond_the_limit(self, fetch: Fetch, add: Add) -> None:
        await add()
        statuses = []
        for number in range(12):
            response = await fetch("PATCH", "/scene/1/data", {"metadata": {f"m{number}": "x" * 1_000}})
            statuses.append(response.status)
        assert statuses == [204] * 9 + [413] * 3
        assert response.problem(413)["code"] == "document-too-large"
        data = (await fetch("GET", "/scene/1")).json()["data"]
        assert len(json.dumps(data["metadata"])) < 10_000
        assert (await fetch("PATCH", "/scene/1/data", {"metadata": {"m0": None}})).status == 204

    async def test_new_data_have_the_same_limit(self, fetch: Fetch, add: Add) -> None:
        await add()
        tile = (await fetch("GET", "/scene/1/tiles")).json()[0]["id"]
        requests: list[Awaitable[Response]] = [
            fetch("PUT", "/scene/1/data", {"storage_uri": "x" * 10_000}),
            fetch("PUT", f"/tile/{tile}/data", {"graph_name": "x" * 10_000}),
        ]
        for response in await asyncio.gather(*requests):
            assert response.problem(413)["code"] == "document-too-large"

"""Jupyter servers with a small, fixed ingestion.

DenmarkS1: four scenes of two frames at two dates, five tiles each; scenes 1 and 2 are DONE and their root
tiles PENDING, scene 3 is in RETRY, scene 4 PENDING. DenmarkS2: six scenes of one tile.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.kernels import kernel_of
from tests.server_process import TOKEN, LiveServer, live_server
from workflow_monitor.demo.ingestions import denmark_s1, denmark_s2

__all__ = ["AOIS", "TOKEN", "Servers", "call", "seed"]

AOIS = ("DenmarkS1", "DenmarkS2")
MESSAGE = "ProcessScene.NewStorage: badly formatted storage uri"


def call(server: LiveServer, method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": f"token {TOKEN}", "X-Workflow-Monitor-Actor": "tests"}
    answer = httpx.request(method, f"{server.url}/{path}", json=body, headers=headers, timeout=300, trust_env=False)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def seed(folder: Path) -> Path:
    """Create a store with the ingestion and return the path of its file."""
    chains = denmark_s1(dates=2)
    half = len(chains.scenes) // 2
    scenes = [{**chains.scenes[index], "retry_count": 0} for index in (0, 1, half, half + 1)]
    granules = list(denmark_s2(rounds=2).scenes)[:6]
    with live_server(folder) as server:
        for aoi, documents in ((chains.aoi, scenes), ("DenmarkS2", granules)):
            call(server, "POST", f"aoi/{aoi}")
            call(server, "POST", f"aoi/{aoi}/scenes", documents)
        results = [
            {"type": "scene", "id": 1, "status": "DONE"},
            {"type": "scene", "id": 2, "status": "DONE"},
            {"type": "scene", "id": 3, "status": "RETRY", "message": MESSAGE},
        ]
        assert call(server, "POST", "results", results)["applied"] == 3
    return folder / "workflow.duckdb"


class Servers:
    """Server over a copy of the seeded store, replaced after a test has changed it."""

    def __init__(self, store: Path, folders: pytest.TempPathFactory) -> None:
        self._store = store
        self._folders = folders
        self._running = ExitStack()
        self._server: LiveServer | None = None
        self._kernel: BlockingKernelClient | None = None
        self._state: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def untouched(self) -> LiveServer:
        """Return a server with the seeded ingestion in its initial state."""
        if self._server is None or self._events() != self._state:
            self._running.close()
            self._kernel = None
            self._server = self._running.enter_context(live_server(self._copy(), "/user/eva/"))
            self._state = self._events()
        return self._server

    def kernel(self) -> tuple[BlockingKernelClient, bool]:
        """Return a kernel of the server, and True if it is new."""
        assert self._server is not None
        if self._kernel is not None:
            return self._kernel, False
        runtime = self._server.log.parent / "runtime"
        self._kernel = self._running.enter_context(kernel_of(self._server.base_url, TOKEN, runtime))
        return self._kernel, True

    def _copy(self) -> Path:
        folder = self._folders.mktemp("served")
        shutil.copy(self._store, folder / "workflow.duckdb")
        return folder

    def _events(self) -> dict[str, int]:
        """Return the count of events per AOI."""
        assert self._server is not None
        names = [aoi["ID"] for aoi in call(self._server, "GET", "aoi/")]
        return {name: len(call(self._server, "GET", f"aoi/{quote(name, safe='')}/history")) for name in names}

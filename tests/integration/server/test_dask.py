"""Execution of the jobs of a Jupyter server on a real Dask cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from distributed import Client, LocalCluster

from tests.clusters import threads
from tests.integration.server.conftest import Add, Fetch
from tests.server_process import free_port
from workflow_monitor.dask import FailJob, Job, RetryJob

HERE = "tests.integration.server.test_dask"


def download(job: Job) -> None:
    if job.source_id == "never":
        raise FailJob("no such product")
    if job.attempt == 1:
        raise RetryJob("not there yet")


def process(job: Job) -> None:
    if job.previous is not None and job.scene["source_id"] == "s2":
        assert job.previous["scene"]["source_id"] == "s1"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with threads(2) as client:
        yield client


async def poll(fetch: Fetch, path: str, condition: Callable[[Any], bool]) -> Any:
    """Poll a path until its document satisfies the condition, and return the document."""
    deadline = time.monotonic() + 120
    while not condition(document := (await fetch("GET", path)).json()):
        assert time.monotonic() < deadline, document
        await asyncio.sleep(0.02)
    return document


def dask_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "workflow-dask"]


class TestCluster:
    @pytest.fixture
    def traits(self, client: Client) -> dict[str, Any]:
        functions = {"scene": {"function": f"{HERE}:download", "limit": 3}, "tile": {"function": f"{HERE}:process"}}
        assert client.scheduler is not None
        return {"queue": "dask", "queue_options": {"address": client.scheduler.address, **functions}}

    async def test_scenes_and_tiles_are_processed(self, fetch: Fetch, add: Add, jp_serverapp: Any) -> None:
        await add("s1")
        await add("s2", after="s1")
        await add("never")
        view = await poll(fetch, "/aoi/Fyn?format=json", lambda view: view["status"] == "DONE")
        assert (view["scenes"]["done"], view["tiles"]["done"], view["scenes"]["failed"]) == (2, 2, 1)
        scenes = (await fetch("GET", "/aoi/Fyn/scenes")).json()
        assert [(scene["attempt"], scene["message"]) for scene in scenes] == [(2, ""), (2, ""), (1, "no such product")]
        history = (await fetch("GET", "/aoi/Fyn/history")).json()
        assert {event["who"] for event in history if event["cause"] == "result"} == {"dask"}
        assert len(dask_threads()) == 1
        await jp_serverapp._cleanup()
        assert dask_threads() == []


class TestClusterForScenesOnly:
    @pytest.fixture
    def traits(self, client: Client) -> dict[str, Any]:
        assert client.scheduler is not None
        options = {"address": client.scheduler.address, "scene": {"function": f"{HERE}:download"}}
        return {"queue": "dask", "queue_options": options}

    async def test_tiles_remain_for_other_workers(self, fetch: Fetch, add: Add) -> None:
        await add("s1")
        await poll(fetch, "/jobs/processor", lambda queue: queue["queued"] == 1)
        request = {"max": 10, "seconds": 60, "worker": "w"}
        assert len((await fetch("POST", "/jobs/processor/lease", request)).json()["jobs"]) == 1


class TestMissingCluster:
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def traits(self, port: int) -> dict[str, Any]:
        options = {"address": f"tcp://127.0.0.1:{port}", "scene": {"function": f"{HERE}:download"}}
        return {"queue": "dask", "queue_options": options}

    async def test_jobs_wait_for_the_cluster(self, fetch: Fetch, add: Add, port: int) -> None:
        await add("s1")
        assert (await fetch("GET", "/jobs/downloader")).json()["queued"] == 1
        options = {"processes": False, "protocol": "tcp://", "dashboard_address": "127.0.0.1:0"}
        async with LocalCluster(n_workers=1, scheduler_port=port, asynchronous=True, **options):
            await poll(fetch, "/scene/1", lambda scene: scene["status"] == "DONE")


INVALID_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({}, "address"),
    "an unknown option": ({"address": "tcp://x:1", "workers": 3}, "workers"),
    "no function": ({"address": "tcp://x:1", "tile": {}}, "tile.function"),
    "a function without a module": ({"address": "tcp://x:1", "tile": {"function": "download"}}, "module:function"),
    "a limit of zero": ({"address": "tcp://x:1", "tile": {"function": "a:b", "limit": 0}}, "tile.limit"),
}


class TestInvalidOptions:
    @pytest.fixture(params=INVALID_OPTIONS)
    def invalid(self, request: pytest.FixtureRequest) -> tuple[dict[str, Any], str]:
        return INVALID_OPTIONS[request.param]

    @pytest.fixture
    def traits(self, invalid: tuple[dict[str, Any], str]) -> dict[str, Any]:
        return {"queue": "dask", "queue_options": invalid[0]}

    async def test_the_problem_names_the_option(self, fetch: Fetch, invalid: tuple[dict[str, Any], str]) -> None:
        problem = (await fetch("GET", "/aoi/")).problem(503)
        assert "queue_options" in problem["detail"]
        assert invalid[1] in problem["detail"]


class TestLeaseQueue:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"queue_options": {"address": "tcp://x:1"}}

    async def test_options_are_refused(self, fetch: Fetch) -> None:
        assert "'lease' has no options" in (await fetch("GET", "/aoi/")).problem(503)["detail"]

"""A Jupyter server whose jobs go to a real Dask cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
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


async def becomes(fetch: Fetch, path: str, is_so: Callable[[Any], bool]) -> Any:
    """The answer, as soon as it is so."""
    deadline = time.monotonic() + 30
    while not is_so(answer := (await fetch("GET", path)).json()):
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.02)
    return answer


Become = Callable[[str, Callable[[Any], bool]], Awaitable[Any]]


def tasks() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "workflow-dask"]


class TestACluster:
    @pytest.fixture
    def traits(self, client: Client) -> dict[str, Any]:
        functions = {"scene": {"function": f"{HERE}:download", "limit": 3}, "tile": {"function": f"{HERE}:process"}}
        assert client.scheduler is not None
        return {"queue": "dask", "queue_options": {"address": client.scheduler.address, **functions}}

    async def test_everything_gets_done(self, fetch: Fetch, add: Add, jp_serverapp: Any) -> None:
        await add("s1")
        await add("s2", after="s1")
        await add("never")
        view = await becomes(fetch, "/aoi/Fyn?format=json", lambda view: view["status"] == "DONE")
        assert (view["scenes"]["done"], view["tiles"]["done"], view["scenes"]["failed"]) == (2, 2, 1)
        scenes = (await fetch("GET", "/aoi/Fyn/scenes")).json()
        assert [(scene["attempt"], scene["message"]) for scene in scenes] == [(2, ""), (2, ""), (1, "no such product")]
        history = (await fetch("GET", "/aoi/Fyn/history")).json()
        assert {event["who"] for event in history if event["cause"] == "result"} == {"dask"}
        assert len(tasks()) == 1
        await jp_serverapp._cleanup()
        assert tasks() == []


class TestAClusterForScenesAlone:
    @pytest.fixture
    def traits(self, client: Client) -> dict[str, Any]:
        assert client.scheduler is not None
        options = {"address": client.scheduler.address, "scene": {"function": f"{HERE}:download"}}
        return {"queue": "dask", "queue_options": options}

    async def test_tiles_are_left_to_others(self, fetch: Fetch, add: Add) -> None:
        await add("s1")
        await becomes(fetch, "/jobs/processor", lambda queue: queue["queued"] == 1)
        asked = {"max": 10, "seconds": 60, "worker": "w"}
        assert len((await fetch("POST", "/jobs/processor/lease", asked)).json()["jobs"]) == 1


class TestAClusterThatIsNotThere:
    @pytest.fixture
    def port(self) -> int:
        return free_port()

    @pytest.fixture
    def traits(self, port: int) -> dict[str, Any]:
        options = {"address": f"tcp://127.0.0.1:{port}", "scene": {"function": f"{HERE}:download"}}
        return {"queue": "dask", "queue_options": options}

    async def test_jobs_wait_until_it_comes(self, fetch: Fetch, add: Add, port: int) -> None:
        await add("s1")
        assert (await fetch("GET", "/jobs/downloader")).json()["queued"] == 1
        starting = {"processes": False, "protocol": "tcp://", "dashboard_address": "127.0.0.1:0"}
        async with LocalCluster(n_workers=1, scheduler_port=port, asynchronous=True, **starting):
            await becomes(fetch, "/scene/1", lambda scene: scene["status"] == "DONE")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({}, "address"),
    "what nobody knows": ({"address": "tcp://x:1", "workers": 3}, "workers"),
    "no function": ({"address": "tcp://x:1", "tile": {}}, "tile.function"),
    "no name of a function": ({"address": "tcp://x:1", "tile": {"function": "download"}}, "module:function"),
    "no room": ({"address": "tcp://x:1", "tile": {"function": "a:b", "limit": 0}}, "tile.limit"),
}


class TestWrongOptions:
    @pytest.fixture(params=WRONG)
    def wrong(self, request: pytest.FixtureRequest) -> tuple[dict[str, Any], str]:
        return WRONG[request.param]

    @pytest.fixture
    def traits(self, wrong: tuple[dict[str, Any], str]) -> dict[str, Any]:
        return {"queue": "dask", "queue_options": wrong[0]}

    async def test_the_server_says_what_is_wrong(self, fetch: Fetch, wrong: tuple[dict[str, Any], str]) -> None:
        problem = (await fetch("GET", "/aoi/")).problem(503)
        assert "queue_options" in problem["detail"]
        assert wrong[1] in problem["detail"]


class TestAnotherQueue:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"queue_options": {"address": "tcp://x:1"}}

    async def test_it_has_no_options(self, fetch: Fetch) -> None:
        assert "'lease' has no options" in (await fetch("GET", "/aoi/")).problem(503)["detail"]

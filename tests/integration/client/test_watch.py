"""Watching: until nothing moves, until the time is over, until a person interrupts; through restarts of the server."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.example_servers import TOKEN, call
from tests.fake_server import Scripted, answer
from tests.server_process import LiveServer, live_server
from workflow_monitor import Monitor
from workflow_monitor.client.api import Api
from workflow_monitor.client.errors import ServerError, ServerUnreachable
from workflow_monitor.client.http import RetryPolicy, Transport
from workflow_monitor.client.secret import Secret
from workflow_monitor.client.watch import Watcher
from workflow_monitor.domain.status import Status

NONE = '"new":0,"pending":0,"done":0,"retry":0,"failed":0'
WORKING, IDLE = (
    f'{{"aoi":"A","status":"PENDING","scenes":{{{scenes}}},"tiles":{{{NONE}}},"root_tiles":0,"from":null,"to":null}}'
    for scenes in (NONE.replace('"pending":0', '"pending":1'), NONE)
)


@pytest.fixture
def later() -> Iterator[Callable[[float, Callable[[], object]], None]]:
    """Do something a little later, while the test waits."""
    timers: list[threading.Timer] = []

    def schedule(seconds: float, action: Callable[[], object]) -> None:
        timers.append(threading.Timer(seconds, action))
        timers[-1].start()

    yield schedule
    for timer in timers:
        timer.join(30)


Later = Callable[[float, Callable[[], object]], None]


def finish_scenes(server: LiveServer) -> None:
    """Give all scenes of DenmarkS2 up, so that nothing of it is in the hands of a worker."""
    scenes = call(server, "GET", "aoi/DenmarkS2/scenes/PENDING")
    results = [{"type": "scene", "id": scene["id"], "status": "FAILED", "message": ""} for scene in scenes]
    assert call(server, "POST", "results", results)["applied"] == 6


def test_until_nothing_moves(m: Monitor, server: LiveServer, later: Later) -> None:
    later(0.5, lambda: finish_scenes(server))
    summary = m["DenmarkS2"].watch(interval=0.1, timeout=60, progress=False)
    assert summary.ended == "idle"
    assert summary.before.scenes[Status.PENDING] == 6
    assert summary.after.scenes[Status.FAILED] == 6
    assert "(+0 done, +12 failed)" in str(summary)
    assert summary.is_done


def test_events_wake_who_would_have_waited(m: Monitor, server: LiveServer, later: Later) -> None:
    later(1.0, lambda: finish_scenes(server))
    begun = time.monotonic()
    assert m["DenmarkS2"].watch(interval=0.2, timeout=60, progress=False).ended == "idle"
    # Without events it would have looked again after 15 seconds.
    assert time.monotonic() - begun < 14


def test_an_idle_aoi_is_over_at_once(m: Monitor) -> None:
    summary = m.create("Empty").watch(progress=False)
    assert summary.ended == "idle"
    assert summary.is_done


def test_the_time_is_over(m: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    summary = m["DenmarkS1"].watch(interval=0.1, timeout=0.3)
    assert summary.ended == "timeout"
    assert "DenmarkS1" in capsys.readouterr().err


def test_a_person_interrupts(m: Monitor, later: Later) -> None:
    later(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    summary = m["DenmarkS1"].watch(interval=0.1, timeout=30, progress=False)
    assert summary.ended == "interrupted"
    assert summary.after.name == "DenmarkS1"


def test_other_coroutines_go_on(m: Monitor) -> None:
    async def both() -> tuple[str, int]:
        ticks = 0
        watching = asyncio.create_task(m["DenmarkS1"].watch_async(interval=0.1, timeout=1, progress=False))
        while not watching.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return (await watching).ended, ticks

    ended, ticks = asyncio.run(both())
    assert ended == "timeout"
    assert ticks > 10


def test_the_server_goes_away_and_comes_back(tmp_path: Path, seeded_store: Path, later: Later) -> None:
    (tmp_path / "workflow.duckdb").write_bytes(seeded_store.read_bytes())
    with ExitStack() as running:
        first = running.enter_context(live_server(tmp_path))
        m = running.enter_context(Monitor(first.base_url, token=TOKEN, retries=0, timeout=5))

        def restart() -> None:
            first.process.terminate()
            first.process.wait(30)
            time.sleep(0.5)
            port = urlsplit(first.base_url).port or 0
            finish_scenes(running.enter_context(live_server(tmp_path, port=port)))

        later(0.5, restart)
        assert m["DenmarkS2"].watch(interval=0.1, timeout=60, progress=False).ended == "idle"


@pytest.mark.parametrize("patience", [5.0, 0.0])
def test_a_server_that_says_that_it_cannot_yet_is_waited_for(patience: float) -> None:
    problem = '{"code":"store-unavailable","detail":"The server is shutting down."}'
    away = answer(problem, 503, "application/problem+json")
    replies = [answer(WORKING), away, away, answer(IDLE)]
    with Scripted(lambda _: replies.pop(0)) as server:
        connection = Transport(
            f"{server.url}workflow-monitor/", Secret(TOKEN), timeout=5, patience=RetryPolicy(0, 0.001)
        )
        watcher = Watcher(Api(connection), "A", 0.01, 30, patience, lambda _: None)
        assert watcher.poll() is None
        if patience:
            assert [watcher.poll() for _ in range(3)] == [None, None, "idle"]
        else:
            with pytest.raises(ServerError, match="shutting down"):
                watcher.poll()
        connection.close()


def test_a_server_that_stays_away(tmp_path: Path, seeded_store: Path, later: Later) -> None:
    (tmp_path / "workflow.duckdb").write_bytes(seeded_store.read_bytes())
    with live_server(tmp_path) as server, Monitor(server.base_url, token=TOKEN, retries=0, timeout=5) as m:
        aoi = m["DenmarkS2"]
        later(0.5, server.process.terminate)
        with pytest.raises(ServerUnreachable):
            aoi.watch(interval=0.1, patience=0.5, timeout=60, progress=False)
        assert "As it was when it was last asked" in str(aoi)
        assert "DenmarkS2" in aoi._repr_html_()

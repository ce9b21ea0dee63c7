"""Watch: end by idleness, timeout and interrupt; behaviour during restarts of the server."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.example_servers import TOKEN, call
from tests.fake_server import ScriptedServer, response
from tests.server_process import LiveServer, live_server
from workflow_monitor import Monitor
from workflow_monitor.client import watch
from workflow_monitor.client.api import Api
from workflow_monitor.client.errors import ServerError, ServerUnreachable
from workflow_monitor.client.http import RetryPolicy, Transport
from workflow_monitor.client.watch import Watcher
from workflow_monitor.connection.secret import Secret
from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import Status

NONE = '"new":0,"pending":0,"done":0,"retry":0,"failed":0'
WORKING, IDLE = (
    f'{{"aoi":"A","status":"PENDING","scenes":{{{scenes}}},"tiles":{{{NONE}}},"root_tiles":0,"from":null,"to":null}}'
    for scenes in (NONE.replace('"pending":0', '"pending":1'), NONE)
)


AfterPoll = Callable[[Monitor, Callable[[], object]], None]


@pytest.fixture
def after_poll(monkeypatch: pytest.MonkeyPatch) -> Iterator[AfterPoll]:
    """Run an action in a thread as soon as `watch` has polled an AOI for the first time."""
    threads: list[threading.Thread] = []

    def schedule(m: Monitor, action: Callable[[], object]) -> None:
        poll = m._api.summary

        def summary(aoi: str) -> AOISummary:
            overview = poll(aoi)
            if not threads:
                threads.append(threading.Thread(target=action))
                threads[0].start()
            return overview

        monkeypatch.setattr(m._api, "summary", summary)

    yield schedule
    for thread in threads:
        thread.join(300)


def finish_scenes(server: LiveServer) -> None:
    """Report all scenes of DenmarkS2 as FAILED, which makes the AOI idle."""
    scenes = call(server, "GET", "aoi/DenmarkS2/scenes/PENDING")
    results = [{"type": "scene", "id": scene["id"], "status": "FAILED", "message": ""} for scene in scenes]
    assert call(server, "POST", "results", results)["applied"] == 6


def test_watch_ends_when_no_item_is_pending(m: Monitor, server: LiveServer, after_poll: AfterPoll) -> None:
    aoi = m["DenmarkS2"]
    after_poll(m, lambda: finish_scenes(server))
    summary = aoi.watch(interval=0.1, timeout=300, progress=False)
    assert summary.ended == "idle"
    assert summary.before.scenes[Status.PENDING] == 6
    assert summary.after.scenes[Status.FAILED] == 6
    assert "(+0 done, +12 failed)" in str(summary)
    assert summary.is_done


def test_an_event_wakes_the_watcher(
    m: Monitor, server: LiveServer, after_poll: AfterPoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the event stream open, only an event can end a wait of an hour.
    monkeypatch.setattr(watch, "QUIET_SECONDS", 3600.0)
    aoi = m["DenmarkS2"]
    after_poll(m, lambda: finish_scenes(server))
    assert aoi.watch(interval=0.2, timeout=300, progress=False).ended == "idle"


def test_an_idle_aoi_ends_immediately(m: Monitor) -> None:
    summary = m.create("Empty").watch(progress=False)
    assert summary.ended == "idle"
    assert summary.is_done


def test_watch_ends_after_its_timeout(m: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    summary = m["DenmarkS1"].watch(interval=0.1, timeout=0.3)
    assert summary.ended == "timeout"
    assert "DenmarkS1" in capsys.readouterr().err


def test_an_interrupt_ends_watch(m: Monitor, after_poll: AfterPoll) -> None:
    aoi = m["DenmarkS1"]
    after_poll(m, lambda: os.kill(os.getpid(), signal.SIGINT))
    summary = aoi.watch(interval=0.1, timeout=300, progress=False)
    assert summary.ended == "interrupted"
    assert summary.after.name == "DenmarkS1"


def test_other_coroutines_run_while_watching(m: Monitor, server: LiveServer) -> None:
    async def watch_and_tick() -> str:
        watching = asyncio.create_task(m["DenmarkS2"].watch_async(interval=0.1, timeout=300, progress=False))
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert not watching.done()
        await asyncio.to_thread(finish_scenes, server)
        return (await watching).ended

    assert asyncio.run(watch_and_tick()) == "idle"


def test_watch_continues_after_a_restart_of_the_server(
    tmp_path: Path, seeded_store: Path, after_poll: AfterPoll
) -> None:
    (tmp_path / "workflow.duckdb").write_bytes(seeded_store.read_bytes())
    with ExitStack() as running:
        first = running.enter_context(live_server(tmp_path))
        m = running.enter_context(Monitor(first.base_url, token=TOKEN, retries=0, timeout=30))
        aoi = m["DenmarkS2"]

        def restart() -> None:
            first.process.terminate()
            first.process.wait(60)
            port = urlsplit(first.base_url).port or 0
            finish_scenes(running.enter_context(live_server(tmp_path, port=port)))

        after_poll(m, restart)
        assert aoi.watch(interval=0.1, timeout=300, progress=False).ended == "idle"


@pytest.mark.parametrize("patience", [300.0, 0.0])
def test_watch_tolerates_503_within_its_patience(patience: float) -> None:
    problem = '{"code":"store-unavailable","detail":"The server is shutting down."}'
    away = response(problem, 503, "application/problem+json")
    replies = [response(WORKING), away, away, response(IDLE)]
    with ScriptedServer(lambda _: replies.pop(0)) as server:
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


def test_watch_raises_when_the_server_stays_down(tmp_path: Path, seeded_store: Path, after_poll: AfterPoll) -> None:
    (tmp_path / "workflow.duckdb").write_bytes(seeded_store.read_bytes())
    with live_server(tmp_path) as server, Monitor(server.base_url, token=TOKEN, retries=0, timeout=30) as m:
        aoi = m["DenmarkS2"]
        after_poll(m, server.process.terminate)
        with pytest.raises(ServerUnreachable):
            aoi.watch(interval=0.1, patience=0.5, timeout=300, progress=False)
        assert "Last known state" in str(aoi)
        assert "DenmarkS2" in aoi._repr_html_()

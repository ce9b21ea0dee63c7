"""No job is lost or repeated when a worker, the scheduler or the server dies, or a job kills its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster

from tests.engine_harness import running
from tests.example_servers import call
from tests.integration.server.conftest import scene
from tests.paths import ROOT
from tests.reference_model import NewScene
from tests.server_process import free_port, live_server
from workflow_monitor.dask import Job
from workflow_monitor.dask.processing import Processing
from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.queues.dask import LocalJobSource

PLACES, DATES = 50, 10
ITEMS = 2 * PLACES * DATES
LEASE_SECONDS = 4
FUNCTIONS = {"scene": "download", "tile": "process"}
#: other extensions of Jupyter, disabled because they start slowly
DISABLED_EXTENSIONS = dict.fromkeys(
    ("jupyter_lsp", "jupyter_server_terminals", "notebook_shim", "voila.server_extension"), False
)


class Site:
    """A server, a scheduler and two workers, each in its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.output.mkdir()
        self.port, self.server_port = free_port(), free_port()
        self.log = (folder / "dask.log").open("ab")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._servers = ExitStack()

    def start(self) -> None:
        self.start_scheduler()
        for name in ("one", "two"):
            self.start_worker(name)
        self.start_server()

    def _start(self, name: str, *command: str) -> None:
        environment = {**os.environ, "WORKFLOW_TEST_OUTPUT": str(self.output)}
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "dask", *command], cwd=ROOT, env=environment, stdout=self.log, stderr=self.log
        )

    def start_scheduler(self) -> None:
        self._start("scheduler", "scheduler", "--host=127.0.0.1", f"--port={self.port}", "--no-dashboard")

    def start_worker(self, name: str) -> None:
        options = ("--no-nanny", "--nthreads=2", "--host=127.0.0.1", "--no-dashboard", f"--name={name}")
        self._start(name, "worker", f"tcp://127.0.0.1:{self.port}", *options)

    def start_server(self) -> None:
        functions = {kind: {"function": f"tests.dask_tasks:{name}", "limit": 40} for kind, name in FUNCTIONS.items()}
        options = {"address": f"tcp://127.0.0.1:{self.port}", "lease_seconds": LEASE_SECONDS, **functions}
        traits: dict[str, Any] = {"queue": "dask", "queue_options": options}
        opening = live_server(self.folder / "server", port=self.server_port, extensions=DISABLED_EXTENSIONS, **traits)
        self.server = self._servers.enter_context(opening)

    def kill(self, name: str) -> None:
        process = self.server.process if name == "server" else self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    def done(self) -> int:
        view = call(self.server, "GET", "aoi/Fyn?format=json")
        return int(view["scenes"]["done"] + view["tiles"]["done"])

    def lines(self, name: str) -> Counter[str]:
        return Counter((self.output / name).read_text().splitlines())

    def close(self) -> None:
        self._servers.close()
        for process in self.processes.values():
            process.kill()
            process.wait(30)
        self.log.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    try:
        site.start()
        yield site
    finally:
        site.close()


def wait_until(condition: Callable[[], bool], site: Site) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, (site.folder / "dask.log").read_text()[-3000:]
        time.sleep(0.05)


def documents() -> list[dict[str, Any]]:
    return [
        scene(f"{place}-{date}", tiles=(f"p{place}",), after=f"{place}-{date - 1}" if date else None)
        for date in range(DATES)
        for place in range(PLACES)
    ]


@pytest.mark.alone
def test_each_job_has_its_effect_once_although_processes_die(site: Site) -> None:
    call(site.server, "POST", "aoi/Fyn")
    call(site.server, "POST", "aoi/Fyn/scenes", documents())

    wait_until(lambda: site.done() > ITEMS * 0.15, site)
    site.kill("one")
    site.start_worker("one")

    wait_until(lambda: site.done() > ITEMS * 0.35, site)
    site.kill("scheduler")
    site.start_scheduler()
    # workers end without their scheduler
    for name in ("one", "two"):
        site.kill(name)
        site.start_worker(name)

    wait_until(lambda: site.done() > ITEMS * 0.6, site)
    site.kill("server")
    site.start_server()

    wait_until(lambda: site.done() == ITEMS, site)
    begun, done = site.lines("begun"), site.lines("done")
    assert len(done) == ITEMS
    assert set(done.values()) == {1}
    history = call(site.server, "GET", "aoi/Fyn/history?limit=100000")
    results = Counter((event["type"], event["id"]) for event in history if event["to"] == "DONE")
    assert len(results) == ITEMS
    assert set(results.values()) == {1}
    assert {event["cause"] for event in history if event["to"] == "DONE"} == {"result"}
    assert not [event for event in history if event["to"] in {"RETRY", "FAILED"}]
    # the test is void unless jobs were dispatched again after the scheduler and the server died
    redispatched = [event for event in history if event["cause"] == "lease expired"]
    assert len(redispatched) > 2
    assert sum(begun.values()) > ITEMS


def kill_the_worker(job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_job_that_kills_its_workers_ends_in_retry() -> None:
    with (
        running() as engine,
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        engine.do(CreateAOI("Fyn"))
        engine.ingest("Fyn", NewScene("s1", 1, {"T": None}))
        source = LocalJobSource(engine.workflow.submit)
        with Processing(source, client, {ItemKind.SCENE: kill_the_worker}, 60) as work:
            deadline = time.monotonic() + 240
            while work.stats.retry < 2:
                assert time.monotonic() < deadline, work
                time.sleep(0.05)
        (item,) = (item for key, item in engine.snapshot().items.items() if key.kind is ItemKind.SCENE)
        assert (item.status, item.attempt) == (Status.RETRY, 2)
        assert item.message.startswith("KilledWorker: ")

"""Throughput of empty jobs on a Dask cluster, with and without a workflow server.

    python -m benchmarks.dask_jobs --jobs 4000

One local cluster runs the same number of empty tasks three ways, alternating and several times each: `client.map` alone;
a workflow server over a DuckDB file in this process; a Jupyter server over HTTP, as from a notebook. With a server, half
of the jobs are scenes and half are tiles that wait for them; each is dispatched, leased, reported and logged on disk.
On a machine with other load, the processor seconds of all processes are more reliable than the wall clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from distributed import Client, LocalCluster

from tests.server_process import live_server
from workflow_monitor import Monitor
from workflow_monitor.dask import Job
from workflow_monitor.dask.job_source import JobSource
from workflow_monitor.dask.processing import Processing
from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.domain.commands import CreateAOI, Ingest
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.queues.dask import DaskQueue, LocalJobSource
from workflow_monitor.store import open_store

AOI = "empty"
BATCH = 2_000


def nothing(job: object) -> None:
    """The job."""


def documents(number: int) -> Iterator[list[dict[str, object]]]:
    """Scenes of a tile each, as many as go into one request."""
    data: dict[str, object] = {"date": "2022-01-04T10:34:31Z", "tiles": {"t": {"swath_id": "", "tile_nr": 0}}}
    scenes: list[dict[str, object]] = [
        {"source_id": f"s{index}", "aoi": AOI, "data": data, "tiles": {"t": {"data": {"graph_name": ""}}}}
        for index in range(number)
    ]
    return (scenes[start : start + BATCH] for start in range(0, number, BATCH))


@dataclass(frozen=True, slots=True)
class Run:
    """Result of one run: jobs per second, and processor milliseconds per job."""

    rate: float
    effort: float


def timed(jobs: int, do: Callable[[], object]) -> Run:
    """Run `jobs` jobs."""
    started, spent = time.perf_counter(), processor_seconds()
    do()
    seconds = time.perf_counter() - started
    return Run(jobs / seconds, 1000 * (processor_seconds() - spent) / jobs)


def processor_seconds() -> float:
    """Return the processor seconds of this process, the scheduler, the workers and the server."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def by_map_alone(client: Client, jobs: int) -> Run:
    """Bare tasks, until their results are here."""
    return timed(jobs, lambda: client.gather(client.map(nothing, range(jobs), pure=False)))


def by_dispatcher(client: Client, source: JobSource, jobs: int) -> Run:
    """Jobs, until all are DONE."""
    function: Callable[[Job], None] = nothing

    def do() -> None:
        with Processing(source, client, {ItemKind.SCENE: function, ItemKind.TILE: function}, 60) as work:
            while work.stats.done < jobs:
                time.sleep(0.005)

    return timed(jobs, do)


@contextmanager
def in_process(folder: Path, jobs: int) -> Iterator[JobSource]:
    """Open an engine over a file that holds `jobs` jobs."""
    store = open_store(f"duckdb:///{folder / 'workflow.duckdb'}")
    workflow = CommandProcessor(store, DaskQueue)
    try:
        workflow.submit(CreateAOI(AOI), "").result()
        for batch in documents(jobs // 2):
            workflow.submit(Ingest(AOI, [parse_scene(one, AOI) for one in batch]), "").result()
        yield LocalJobSource(workflow.submit)
    finally:
        workflow.close()
        store.close()


@contextmanager
def over_http(folder: Path, jobs: int) -> Iterator[JobSource]:
    """Start a Jupyter server that holds `jobs` jobs."""
    with live_server(folder) as server, Monitor(server.base_url, token=server.token) as monitor:
        headers = {"Authorization": f"token {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=120) as http:
            http.post(f"/aoi/{AOI}").raise_for_status()
            for batch in documents(jobs // 2):
                http.post(f"/aoi/{AOI}/scenes", json=batch).raise_for_status()
        yield monitor._api.jobs()  # noqa: SLF001 - the job source of Monitor.process


def measure(client: Client, jobs: int, times: int) -> dict[str, list[Run]]:
    """Each way several times, in turn."""
    by_map_alone(client, 200)
    found: dict[str, list[Run]] = {"client.map alone": [], "server in the process": [], "server over HTTP": []}
    for _ in range(times):
        found["client.map alone"].append(by_map_alone(client, jobs))
        for name, open_source in (("server in the process", in_process), ("server over HTTP", over_http)):
            with tempfile.TemporaryDirectory() as folder, open_source(Path(folder), jobs) as source:
                found[name].append(by_dispatcher(client, source, jobs))
    return found


def row(name: str, runs: Sequence[Run], alone: Sequence[Run]) -> str:
    """A row of the report; each run is compared with that of `client.map` of the same turn."""
    share = statistics.median(run.rate / bare.rate for run, bare in zip(runs, alone, strict=True))
    rate, effort = (statistics.median(getattr(run, what) for run in runs) for what in ("rate", "effort"))
    return f"| {name} | {rate:,.0f} | {share:.0%} | {effort:.1f} | {', '.join(f'{run.rate:,.0f}' for run in runs)} |"


def main() -> None:
    """Run it and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with (
        LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        found = measure(client, options.jobs, options.times)
    print(f"# {options.jobs} empty jobs, {options.workers} workers, median of {options.times}\n")
    print("| way | jobs a second | of client.map | processors, ms a job | jobs a second, each time |")
    print("| --- | --- | --- | --- | --- |")
    for name, runs in found.items():
        print(row(name, runs, found["client.map alone"]))


if __name__ == "__main__":
    main()

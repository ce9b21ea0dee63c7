"""Memory, threads, descriptors and file size of a server under load for hours.

    python -m benchmarks.soak --minutes 120 --out docs/pictures

Workers process one ingestion after the other. The remaining items are retried and failed, old ingestions are deleted,
events and jobs are pruned after two minutes. Event streams connect and disconnect, and dashboards poll. Every few
seconds the benchmark samples the memory, threads and descriptors of the server and the size of its file, and plots them.
At the end it stops the server while all clients are connected.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import itertools
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.server_process import LiveServer, live_server
from workflow_monitor.demo.connection import Connection
from workflow_monitor.demo.ingestions import denmark_s1, denmark_s2
from workflow_monitor.demo.workers import SimulationSpeed, WorkerPool, is_idle

MEBIBYTE = 2**20
KEPT_MINUTES = 2
KEPT_AOIS = 3
FOLLOWERS = 8
WORKER_TOKEN = "token-of-the-workers-of-the-soak"  # noqa: S105 - of a server that ends with it
LOOKS = ("", "/scenes?limit=100", "/failures", "/footprints", "/lanes", "/timeline", "/dot")


@dataclass(frozen=True, slots=True)
class Sample:
    """State of the server at one time."""

    minute: float
    memory_mib: float
    threads: int
    descriptors: int
    #: the database and its write-ahead log
    file_mib: float
    #: how many events there have been
    events: int


@dataclass(slots=True)
class Load:
    """Load on the server, until it is cancelled."""

    server: LiveServer
    speed: float
    #: number of the last event that a follower has seen
    events: int = 0
    rounds: int = 0
    looks: int = 0
    streams: int = 0
    samples: list[Sample] = field(default_factory=list)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ingestions())
            group.create_task(self._look())
            for number in range(FOLLOWERS):
                group.create_task(self._follow(number))

    async def _ingestions(self) -> None:
        """One ingestion after the other, from the first scene until nothing of it is left to do."""
        url, token = self.server.base_url, self.server.token
        async with Connection(url, token) as person, Connection(url, WORKER_TOKEN) as workers:
            crew = asyncio.create_task(WorkerPool(workers, SimulationSpeed(self.speed)).run())
            try:
                for self.rounds in itertools.count(1):
                    await self._ingest(person, aoi_of(self.rounds))
                    await self._worked_off(person, crew)
                    await person.call("PUT", f"aoi/{aoi_of(self.rounds)}/retry")
                    await self._worked_off(person, crew)
                    if self.rounds > KEPT_AOIS:
                        await person.call("DELETE", f"aoi/{aoi_of(self.rounds - KEPT_AOIS)}")
            finally:
                crew.cancel()

    async def _ingest(self, person: Connection, aoi: str) -> None:
        await person.call("POST", f"aoi/{aoi}")
        made = denmark_s1 if self.rounds % 2 else denmark_s2
        scenes = [{**scene, "aoi": aoi} for scene in made(self.rounds).scenes]
        await person.call("POST", f"aoi/{aoi}/scenes", scenes)

    async def _worked_off(self, person: Connection, crew: asyncio.Task[None]) -> None:
        while not await is_idle(person):
            if crew.done():
                crew.result()
            await asyncio.sleep(1)

    async def _look(self) -> None:
        """Poll the requests of a dashboard."""
        async with self._http() as http:
            for look in itertools.cycle(LOOKS):
                answer = await http.get(f"aoi/{aoi_of(max(1, self.rounds))}{look}")
                if answer.status_code not in {200, 404}:
                    raise RuntimeError(f"{look}: {answer.status_code} {answer.text}")
                self.looks += 1
                await asyncio.sleep(0.3)

    async def _follow(self, number: int) -> None:
        """Follow the event stream for 30 to 120 seconds, repeatedly; resume every other time."""
        async with self._http() as http:
            while True:
                headers = {"Last-Event-ID": str(self.events)} if self.streams % 2 else {}
                self.streams += 1
                with contextlib.suppress(TimeoutError):
                    async with (
                        asyncio.timeout(30 + 12 * number),
                        http.stream("GET", "events", headers=headers) as answer,
                    ):
                        async for line in answer.aiter_lines():
                            if line.startswith("id: "):
                                self.events = max(self.events, int(line[4:]))

    def _http(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"token {self.server.token}"}
        return httpx.AsyncClient(base_url=self.server.url, headers=headers, timeout=60, trust_env=False)


def aoi_of(number: int) -> str:
    """Return the AOI name of an ingestion; the demo's workers process AOIs of this name pattern."""
    return f"Round-{number}-S{1 if number % 2 else 2}"


def size_of_store(folder: Path) -> int:
    """Bytes of the database and its write-ahead log."""
    return sum(path.stat().st_size for path in folder.glob("workflow.duckdb*"))


async def watch(load: Load, minutes: float, pause: float, folder: Path) -> None:
    """Write down how the server is, over and over for so long."""
    process = psutil.Process(load.server.process.pid)
    begun = time.monotonic()
    while (minute := (time.monotonic() - begun) / 60) < minutes:
        files = size_of_store(folder)
        memory = process.memory_info().rss
        sample = Sample(
            minute, memory / MEBIBYTE, process.num_threads(), process.num_fds(), files / MEBIBYTE, load.events
        )
        load.samples.append(sample)
        print(" ".join(f"{name}={value:.6g}" for name, value in asdict(sample).items()), flush=True)
        await asyncio.sleep(pause)


async def soak(load: Load, minutes: float, pause: float, folder: Path) -> float:
    """Put the server to the load and watch it for so long; then the seconds that it takes to stop meanwhile."""
    work = asyncio.create_task(load.run())
    watching = asyncio.create_task(watch(load, minutes, pause, folder))
    await asyncio.wait((work, watching), return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        watching.cancel()
        work.result()
    watching.result()
    begun = time.monotonic()
    load.server.process.terminate()
    code = await asyncio.to_thread(load.server.process.wait, 60)
    took = time.monotonic() - begun
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    if code != 0:
        raise RuntimeError(f"the server ended with {code}; its log: {load.server.log.read_text()[-2000:]}")
    return took


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples after the first third, in which caches fill and pools grow."""
    return [sample for sample in samples if sample.minute >= samples[-1].minute / 3]


def report(load: Load, stopping: float) -> str:
    """Return the report as Markdown."""
    samples = settled(load.samples)
    minutes = [sample.minute for sample in samples]
    rows = []
    for name in ("memory_mib", "threads", "descriptors", "file_mib"):
        values = [float(getattr(sample, name)) for sample in samples]
        slope = statistics.linear_regression(minutes, values).slope * 60
        rows.append(f"| {name} | {min(values):.1f} | {max(values):.1f} | {slope:+.2f} |")
    length = load.samples[-1].minute
    return "\n".join(
        [
            (
                f"{length:.0f} minutes: {load.events:,} events, {load.rounds} ingestions, {load.looks:,} looks, "
                f"{load.streams} streams; stopped in {stopping:.1f} s with everybody connected."
            ),
            "",
            "| after the first third | least | most | slope an hour |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    )


def plot(samples: Sequence[Sample], path: Path) -> None:
    """Draw the samples over time, one panel for each thing."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    titles: Mapping[str, str] = {
        "memory_mib": "memory, MiB",
        "file_mib": "file and log, MiB",
        "threads": "threads",
        "descriptors": "open descriptors",
    }
    figure, axes = plt.subplots(2, 2, figsize=(10, 5), sharex=True, layout="constrained")
    minutes = [sample.minute for sample in samples]
    for axis, (name, title) in zip(axes.flat, titles.items(), strict=True):
        values = [getattr(sample, name) for sample in samples]
        axis.plot(minutes, values, color="#1f6feb", linewidth=1.2)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(0, max(values) * 1.15)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("minutes")
    figure.suptitle(f"{samples[-1].events:,} events in {samples[-1].minute:.0f} minutes", fontsize=11)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--pause", type=float, default=10, help="seconds between two samples")
    parser.add_argument("--speed", type=float, default=10, help="how fast the workers are; 1 is as in the demo")
    parser.add_argument("--out", type=Path, help="folder for soak.png and soak.csv")
    options = parser.parse_args()
    day = 24 * 60
    policy: dict[str, Any] = {
        "keep_events_days": KEPT_MINUTES / day,
        "keep_jobs_days": KEPT_MINUTES / day,
        "prune_seconds": 20,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with live_server(folder, worker_token=WORKER_TOKEN, **policy) as server:
            load = Load(server, options.speed)
            try:
                stopping = asyncio.run(soak(load, options.minutes, options.pause, folder))
            except BaseException:
                print("The end of the server's log:", *server.log.read_text().splitlines()[-80:], sep="\n")
                raise
    print(report(load, stopping))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        plot(load.samples, options.out / "soak.png")
        with (options.out / "soak.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [one.name for one in fields(Sample)])
            writer.writeheader()
            writer.writerows(asdict(sample) for sample in load.samples)


if __name__ == "__main__":
    main()

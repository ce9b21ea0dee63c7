"""Simulated workers: lease jobs, wait, report results in batches; some die or report late."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from workflow_monitor.client.errors import RequestRejected
from workflow_monitor.demo.connection import Connection
from workflow_monitor.demo.failure_model import Work, outcome, seconds_of
from workflow_monitor.demo.rng import chance

log = logging.getLogger(__name__)

KINDS = {"downloader": "scene", "processor": "tile"}
#: pattern of the example AOIs; other AOIs need other workers
AOIS = "*S?"


class WorkerFate(StrEnum):
    """Fate of a worker with a batch of jobs."""

    REPORTS = "reports"
    DIES = "dies"
    COMES_LATE = "comes late"


@dataclass(frozen=True, slots=True)
class SimulationSpeed:
    """Time scale of the simulation: seconds are divided by `speed`."""

    speed: float = 1.0
    seed: int = 1
    #: jobs per lease
    batch: int = 8
    #: share of batches that end with the death of the worker, and share that is reported after the lease
    deaths: float = 0.01
    late: float = 0.01

    def seconds(self, usual: float, at_least: float = 0.0) -> float:
        return max(at_least, usual / self.speed)

    @property
    def lease(self) -> int:
        return max(2, math.ceil(self.seconds(30)))

    @property
    def between_reports(self) -> float:
        return self.seconds(0.7, at_least=0.05)


@dataclass(slots=True)
class Running:
    """A leased job in progress."""

    job: object
    work: Work
    lease: str
    #: on the loop's clock
    done_at: float


@dataclass(slots=True)
class WorkerPool:
    """Workers of both queues, with counts of result outcomes."""

    connection: Connection
    pace: SimulationSpeed
    #: workers per queue
    size: int = 4
    outcomes: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Work until cancelled. Raises RequestRejected without access."""
        tasks = [
            asyncio.create_task(self._respawn(queue, number), name=f"{queue}-{number}")
            for queue in KINDS
            for number in range(1, self.size + 1)
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _respawn(self, queue: str, number: int) -> None:
        life = 0
        while True:
            life += 1
            name = f"{queue}-{number}" if life == 1 else f"{queue}-{number}.{life}"
            await self._live(queue, name)
            log.info("worker_died worker=%s", name)
            await asyncio.sleep(self.pace.seconds(5, at_least=0.1))

    async def _live(self, queue: str, name: str) -> None:
        """Lease and process batches until the worker dies."""
        batches = idle = 0
        while True:
            jobs = await self._lease(queue, name)
            if not jobs:
                idle = min(idle + 1, 4)
                await asyncio.sleep(max(0.1, 0.5 * idle * chance(name, idle).uniform(0.8, 1.0)))
                continue
            idle = 0
            batches += 1
            fate = fate_of(name, batches, self.pace)
            if fate is WorkerFate.COMES_LATE:
                await asyncio.sleep(self.pace.lease * 1.3 + 2)
                await self._report(jobs)
            elif fate is WorkerFate.DIES:
                await self._report(jobs[: len(jobs) // 2])
                return
            else:
                await self._process(queue, jobs)

    async def _lease(self, queue: str, name: str) -> list[Running]:
        body = {"max": self.pace.batch, "seconds": self.pace.lease, "worker": name, "aoi": AOIS}
        now = asyncio.get_running_loop().time()
        response = await self._request("POST", f"jobs/{queue}/lease", body)
        return [self._started(queue, job, now) for job in entries(response, "jobs")]

    def _started(self, queue: str, job: Mapping[str, object], now: float) -> Running:
        payload, attempt = job["payload"], job["attempt"]
        if not isinstance(payload, Mapping) or not isinstance(attempt, int):
            raise TypeError(f"a job has a payload and an attempt; this one is {job!r}")
        work = Work.of_job(KINDS[queue], payload, attempt)
        done_at = now + self.pace.seconds(seconds_of(work, self.pace.seed))
        return Running(job["id"], work, str(job["lease"]), done_at)

    async def _process(self, queue: str, jobs: Sequence[Running]) -> None:
        """Finish each job in its time, report finished jobs in batches and renew the other leases."""
        clock = asyncio.get_running_loop().time
        left = sorted(jobs, key=lambda running: running.done_at)
        renew_at = clock() + self.pace.lease / 2
        while left:
            await asyncio.sleep(max(self.pace.between_reports, left[0].done_at - clock()))
            now = clock()
            finished = [running for running in left if running.done_at <= now]
            left = left[len(finished) :]
            await self._report(finished)
            if left and now >= renew_at:
                left = await self._renew(queue, left)
                renew_at = now + self.pace.lease / 2

    async def _renew(self, queue: str, jobs: Sequence[Running]) -> list[Running]:
        """Renew the leases and return the jobs whose lease is valid."""
        lost = set()
        for lease in sorted({running.lease for running in jobs}):
            try:
                await self.connection.call("PUT", f"jobs/{queue}/lease/{lease}", {"seconds": self.pace.lease})
            except RequestRejected as error:
                log.info("lease_lost reason=%r", error)
                lost.add(lease)
        return [running for running in jobs if running.lease not in lost]

    async def _report(self, jobs: Sequence[Running]) -> None:
        if not jobs:
            return
        results = [result_of(running.work, self.pace.seed) for running in jobs]
        response = await self._request("POST", "results", results)
        self.outcomes.update(str(entry["outcome"]) for entry in entries(response, "results"))

    async def _request(self, method: str, path: str, body: object) -> object:
        """Return the response, or None if rejected for a reason other than token or path."""
        try:
            return await self.connection.call(method, path, body)
        except RequestRejected as error:
            if error.status in {401, 403, 404}:
                raise
            log.warning("request_rejected method=%s path=%s reason=%r", method, path, error)
            await asyncio.sleep(1)
            return None


def fate_of(worker: str, batch: int, pace: SimulationSpeed) -> WorkerFate:
    """Return the fate of a worker at its n-th batch."""
    draw = chance(pace.seed, "fate", worker, batch).random()
    if draw < pace.deaths:
        return WorkerFate.DIES
    return WorkerFate.COMES_LATE if draw < pace.deaths + pace.late else WorkerFate.REPORTS


def result_of(work: Work, seed: int) -> dict[str, object]:
    """Return the result of an attempt, an entry of `POST /results`."""
    status, message = outcome(work, seed)
    return {"type": work.kind, "id": work.id, "status": status, "message": message, "attempt": work.attempt}


def entries(response: object, name: str) -> Iterator[Mapping[str, object]]:
    """Yield the objects of a list in a response; none without a response."""
    items = response.get(name) if isinstance(response, Mapping) else None
    return (entry for entry in items or () if isinstance(entry, Mapping))


async def is_idle(connection: Connection) -> bool:
    """Return True when no job is queued or leased: every item is DONE, FAILED or in RETRY."""
    # Downloads create processing jobs, never the reverse, so this order misses none.
    for queue in KINDS:
        response = await connection.call("GET", f"jobs/{queue}?limit=1")
        if not isinstance(response, Mapping) or response.get("queued") or response.get("leased"):
            return False
    return True

"""Simulated workers: they lease jobs, take their time, report results in batches, and sometimes die or come late."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from workflow_monitor.demo.connection import Connection, Refused
from workflow_monitor.demo.failure_model import Work, outcome, seconds_of
from workflow_monitor.demo.rng import chance

log = logging.getLogger(__name__)

KINDS = {"downloader": "scene", "processor": "tile"}
#: of the examples; what people add themselves is left to workers of their own
AOIS = "*S?"


class WorkerFate(StrEnum):
    """What becomes of a worker with a batch of jobs."""

    REPORTS = "reports"
    DIES = "dies"
    COMES_LATE = "comes late"


@dataclass(frozen=True, slots=True)
class SimulationSpeed:
    """How fast time goes for the workers; seconds are divided by `speed`."""

    speed: float = 1.0
    seed: int = 1
    #: jobs that a worker takes at once
    batch: int = 8
    #: of all batches, how many end with the worker's death, and how many are reported after their lease
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
    """A leased job that is being worked on."""

    job: object
    work: Work
    lease: str
    #: on the loop's clock
    done_at: float


@dataclass(slots=True)
class WorkerPool:
    """The workers of both queues, with a count of what became of their results."""

    connection: Connection
    pace: SimulationSpeed
    #: how many there are for each queue
    size: int = 4
    outcomes: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Work until cancelled. Raises Refused when the server does not let us."""
        tasks = [
            asyncio.create_task(self._replaced_when_dead(queue, number), name=f"{queue}-{number}")
            for queue in KINDS
            for number in range(1, self.size + 1)
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _replaced_when_dead(self, queue: str, number: int) -> None:
        life = 0
        while True:
            life += 1
            name = f"{queue}-{number}" if life == 1 else f"{queue}-{number}.{life}"
            await self._live(queue, name)
            log.info("worker %s died; its jobs come back when their lease runs out", name)
            await asyncio.sleep(self.pace.seconds(5, at_least=0.1))

    async def _live(self, queue: str, name: str) -> None:
        """Work under this name until death."""
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
                await self._work_off(queue, jobs)

    async def _lease(self, queue: str, name: str) -> list[Running]:
        body = {"max": self.pace.batch, "seconds": self.pace.lease, "worker": name, "aoi": AOIS}
        now = asyncio.get_running_loop().time()
        answer = await self._ask("POST", f"jobs/{queue}/lease", body)
        return [self._started(queue, job, now) for job in entries(answer, "jobs")]

    def _started(self, queue: str, job: Mapping[str, object], now: float) -> Running:
        payload, attempt = job["payload"], job["attempt"]
        if not isinstance(payload, Mapping) or not isinstance(attempt, int):
            raise TypeError(f"a job has a payload and an attempt; this one is {job!r}")
        work = Work.of_job(KINDS[queue], payload, attempt)
        done_at = now + self.pace.seconds(seconds_of(work, self.pace.seed))
        return Running(job["id"], work, str(job["lease"]), done_at)

    async def _work_off(self, queue: str, jobs: Sequence[Running]) -> None:
        """Finish the jobs, each in its time; report what is finished together, renew the leases of the rest."""
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
                left = await self._renewed(queue, left)
                renew_at = now + self.pace.lease / 2

    async def _renewed(self, queue: str, jobs: Sequence[Running]) -> list[Running]:
        """The jobs that are still ours."""
        lost = set()
        for lease in sorted({running.lease for running in jobs}):
            try:
                await self.connection.call("PUT", f"jobs/{queue}/lease/{lease}", {"seconds": self.pace.lease})
            except Refused as refusal:
                log.info("a lease was lost: %s", refusal)
                lost.add(lease)
        return [running for running in jobs if running.lease not in lost]

    async def _report(self, jobs: Sequence[Running]) -> None:
        if not jobs:
            return
        results = [result_of(running.work, self.pace.seed) for running in jobs]
        answer = await self._ask("POST", "results", results)
        self.outcomes.update(str(entry["outcome"]) for entry in entries(answer, "results"))

    async def _ask(self, method: str, path: str, body: object) -> object:
        """The answer, or None when the server refuses for any reason but the token."""
        try:
            return await self.connection.call(method, path, body)
        except Refused as refusal:
            if refusal.status in {401, 403, 404}:
                raise
            log.warning("%s %s was refused: %s", method, path, refusal)
            await asyncio.sleep(1)
            return None


def fate_of(worker: str, batch: int, pace: SimulationSpeed) -> WorkerFate:
    """What becomes of the worker with its batch of this number."""
    throw = chance(pace.seed, "fate", worker, batch).random()
    if throw < pace.deaths:
        return WorkerFate.DIES
    return WorkerFate.COMES_LATE if throw < pace.deaths + pace.late else WorkerFate.REPORTS


def result_of(work: Work, seed: int) -> dict[str, object]:
    """The result of an attempt, as `POST /results` takes it."""
    status, message = outcome(work, seed)
    return {"type": work.kind, "id": work.id, "status": status, "message": message, "attempt": work.attempt}


def entries(answer: object, name: str) -> Iterator[Mapping[str, object]]:
    """The objects of a list in an answer; none if there is no answer."""
    listed = answer.get(name) if isinstance(answer, Mapping) else None
    return (entry for entry in listed or () if isinstance(entry, Mapping))


async def is_idle(connection: Connection) -> bool:
    """True when no job is queued or out: everything is DONE or FAILED, or waits for a person."""
    # Downloads make work for the processors, never the other way round, so this order misses nothing.
    for queue in KINDS:
        answer = await connection.call("GET", f"jobs/{queue}?limit=1")
        if not isinstance(answer, Mapping) or answer.get("queued") or answer.get("leased"):
            return False
    return True

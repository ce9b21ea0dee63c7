"""The contract of `workflow_monitor.testing.QueueContract` for each queue of this package."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue

import pytest
from distributed import Client

from tests.clusters import threads
from tests.engine_harness import running
from tests.integration.queues.test_pgqueue import QUEUE, Service
from tests.integration.queues.test_pgqueue import running as running_pgqueue
from workflow_monitor.dask import FailJob, Job, RetryJob, TaskSpec
from workflow_monitor.dask.cluster import Cluster
from workflow_monitor.dask.dispatcher import Dispatcher
from workflow_monitor.domain.commands import DrainResults, ExpireLeases, LeaseJobs, RenewLease
from workflow_monitor.domain.errors import LeaseNotFound
from workflow_monitor.domain.models import LeasedJob
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind, Status
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.queues.dask import LocalJobSource
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing import QueueContract, QueueHarness, WorkerJob
from workflow_monitor.testing.engine_harness import Clock

NAMES = {kind: name for name, kind in QUEUE_KINDS.items()}
LEASE = 60


class LeaseQueueHarness(QueueHarness):
    """Workers that lease jobs from the engine."""

    def __init__(self, store: Store, workflow: CommandProcessor, clock: Clock) -> None:
        super().__init__(store, workflow)
        self.clock = clock

    def lease(self, kind: ItemKind, number: int) -> list[WorkerJob]:
        jobs: list[LeasedJob] = self.do(LeaseJobs(NAMES[kind], number, LEASE, "w"))
        return [WorkerJob(kind, json.loads(job.payload)["id"], job.attempt, job.lease) for job in jobs]

    def report(self, job: WorkerJob, status: Status, message: str = "") -> None:
        assert self.report_late(job, status).code == "applied"

    def let_leases_expire(self, living: Sequence[WorkerJob]) -> None:
        for _ in range(3):
            self.clock.seconds += LEASE / 2
            for job in living:
                self.do(RenewLease(NAMES[job.kind], job.worker, LEASE))
            self.do(ExpireLeases())

    def is_withdrawn(self, job: WorkerJob) -> bool:
        try:
            self.do(RenewLease(NAMES[job.kind], job.worker, LEASE))
        except LeaseNotFound:
            return True
        return False


class TestLease(QueueContract):
    @pytest.fixture
    def harness(self) -> Iterator[QueueHarness]:
        with running() as engine:
            yield LeaseQueueHarness(engine.store, engine.workflow, engine.clock)


# ---- Dask: each worker is a dispatcher; its functions on the cluster block until the test ends them


@dataclass(slots=True)
class BlockedJobs:
    """Jobs blocked on the cluster, and the actions that end them."""

    started: SimpleQueue[Job] = field(default_factory=SimpleQueue)
    actions: dict[tuple[ItemKind, int, int], SimpleQueue[Callable[[], None]]] = field(default_factory=dict)

    def action(self, kind: ItemKind, item: int, attempt: int) -> SimpleQueue[Callable[[], None]]:
        return self.actions.setdefault((kind, item, attempt), SimpleQueue())


#: by number of the harness; the workers of the cluster are threads of this process
BLOCKED: dict[int, BlockedJobs] = {}


def hold(number: int, job: Job) -> None:
    BLOCKED[number].started.put(job)
    BLOCKED[number].action(job.kind, job.id, job.attempt).get(timeout=60)()


def end(status: Status, message: str) -> None:
    if status is Status.RETRY:
        raise RetryJob(message)
    if status is Status.FAILED:
        raise FailJob(message)


class DaskQueueHarness(QueueHarness):
    """Dispatchers stepped by the test."""

    def __init__(self, store: Store, workflow: CommandProcessor, clock: Clock, client: Client) -> None:
        super().__init__(store, workflow)
        self.clock = clock
        self.client = client
        self.number = max(BLOCKED, default=0) + 1
        self.blocked = BLOCKED[self.number] = BlockedJobs()

    def lease(self, kind: ItemKind, number: int) -> list[WorkerJob]:
        work = {kind: TaskSpec(partial(hold, self.number), limit=number)}
        source = LocalJobSource(self.workflow.submit)
        worker = Dispatcher(source, Cluster(self.client), work, lease_seconds=LEASE, clock=lambda: self.clock.seconds)
        worker.step()
        worker.finish()
        jobs = [self.blocked.started.get(timeout=60) for _ in range(worker.stats.running)]
        return [WorkerJob(kind, job.id, job.attempt, worker) for job in jobs]

    def report(self, job: WorkerJob, status: Status, message: str = "") -> None:
        self.blocked.action(job.kind, job.item, job.attempt).put(partial(end, status, message))
        deadline = time.monotonic() + 240
        while not job.worker.step():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def let_leases_expire(self, living: Sequence[WorkerJob]) -> None:
        # the functions of the silent dispatchers continue, as on a worker without a connection
        for _ in range(5):
            self.clock.seconds += LEASE / 3
            for job in living:
                job.worker.step()
            self.do(ExpireLeases())

    def is_withdrawn(self, job: WorkerJob) -> bool:
        before = job.worker.stats.withdrawn
        self.clock.seconds += LEASE / 3
        job.worker.step()
        return bool(job.worker.stats.withdrawn > before)

    def close(self) -> None:
        for action in self.blocked.actions.values():
            action.put(partial(end, Status.DONE, ""))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with threads(16) as client:
        yield client


class TestDask(QueueContract):
    @pytest.fixture
    def harness(self, client: Client) -> Iterator[QueueHarness]:
        with running() as engine:
            harness = DaskQueueHarness(engine.store, engine.workflow, engine.clock, client)
            yield harness
            harness.close()


# ---- pgqueue: each worker is a service of the Geocube, which locks a row of the table


class PgQueueHarness(QueueHarness):
    """Geocube services. Their messages have no attempt, so the harness counts the leases of each item."""

    def __init__(self, store: Store, workflow: CommandProcessor, url: str) -> None:
        super().__init__(store, workflow)
        self.url = url
        self.leases: Counter[tuple[ItemKind, int]] = Counter()
        self.active: list[Service] = []

    def lease(self, kind: ItemKind, number: int) -> list[WorkerJob]:
        jobs: list[WorkerJob] = []
        while len(jobs) < number:
            service = Service(self.url)
            job = service.take(QUEUE[kind])
            if job is None:
                service.die()
                break
            self.active.append(service)
            self.leases[kind, job["id"]] += 1
            jobs.append(WorkerJob(kind, job["id"], self.leases[kind, job["id"]], service))
        return jobs

    def report(self, job: WorkerJob, status: Status, message: str = "") -> None:
        job.worker.finish(job.kind, job.item, status, message)
        self.active.remove(job.worker)
        job.worker.die()
        assert self.do(DrainResults(10)) == 1

    def let_leases_expire(self, living: Sequence[WorkerJob]) -> None:
        # the database closes the connections of silent services
        living_services = [job.worker for job in living]
        for service in [service for service in self.active if service not in living_services]:
            service.die()
        self.active = living_services

    def is_withdrawn(self, job: WorkerJob) -> bool:
        # services cannot detect it; their results for withdrawn jobs are ignored
        live = (row for rows in self.store.reader.jobs(job.kind, "", None) for row in rows)
        return job.item not in {json.loads(row.message)["id"] for row in live}

    def close(self) -> None:
        self.let_leases_expire([])


class TestPgQueue(QueueContract):
    @pytest.fixture
    def harness(self, postgres_url: str) -> Iterator[QueueHarness]:
        with running_pgqueue(postgres_url) as engine:
            harness = PgQueueHarness(engine.store, engine.workflow, postgres_url)
            yield harness
            harness.close()

    def test_a_late_result_changes_nothing(self, harness: QueueHarness) -> None:
        """Results of services have no attempt: the first result is applied, later ones are refused."""
        harness.ingest("s1")
        (late,) = harness.lease(ItemKind.SCENE, 1)
        harness.let_leases_expire([])
        (again,) = harness.lease(ItemKind.SCENE, 1)
        harness.report(again, Status.DONE)
        assert harness.report_late(late, Status.FAILED).code == "refused"
        assert harness.count_transitions(Status.DONE) == {(ItemKind.SCENE, again.item): 1}
        assert not harness.count_transitions(Status.FAILED)

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.disk_harness import AOI, running_on
from tests.engine_harness import Running, running
from tests.reference_model import NewScene
from workflow_monitor.domain.commands import (
    CreateAOI,
    DeleteAOI,
    ExpireLeases,
    FailItem,
    LeaseJobs,
    PruneHistory,
    RenewLease,
    RenewLeases,
    ReportResults,
)
from workflow_monitor.domain.errors import AOINotFound, LeaseNotFound
from workflow_monitor.domain.models import Job, LeasedJob, LeaseGrant, Result
from workflow_monitor.domain.state_machine import ResultOutcome
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.queues.lease import LeaseQueue
from workflow_monitor.store import open_store
from workflow_monitor.testing.engine_harness import START


@pytest.fixture
def engine() -> Iterator[Running]:
    with running() as engine:
        engine.do(CreateAOI(AOI))
        yield engine


def ingest(engine: Running, number: int) -> list[int]:
    return engine.ingest(AOI, *[NewScene(f"S2A_{index}", 1, {"T32UNG": None}) for index in range(number)])


def lease(engine: Running, limit: int = 1, seconds: float = 100, worker: str = "w", queue: str = "downloader") -> Any:
    jobs: list[LeasedJob] = engine.do(LeaseJobs(queue, limit, seconds, worker))
    return jobs


def item(job: LeasedJob) -> int:
    number: int = json.loads(job.payload)["id"]
    return number


def report(engine: Running, number: int, status: Status, attempt: int | None = None) -> ResultOutcome:
    result = Result(kind=ItemKind.SCENE, id=number, status=status, message="it broke", attempt=attempt)
    outcome: ResultOutcome = engine.do(ReportResults([result]))[0]
    return outcome


def backlog(engine: Running, kind: ItemKind = ItemKind.SCENE) -> tuple[int, int]:
    return engine.store.reader.backlog(kind)


# ---- leases


def test_each_job_is_leased_once_in_order(engine: Running) -> None:
    scenes = ingest(engine, 5)
    first, second, third = lease(engine, 2), lease(engine, 2, worker="x"), lease(engine, 2)
    assert [[item(job) for job in jobs] for jobs in (first, second, third)] == [scenes[:2], scenes[2:4], scenes[4:]]
    jobs = [*first, *second, *third]
    assert [job.id for job in jobs] == sorted(job.id for job in jobs)
    assert len({job.lease for job in jobs}) == 5
    assert {job.attempt for job in jobs} == {1}
    assert {job.expires for job in jobs} == {START + timedelta(seconds=100)}
    assert lease(engine) == []
    assert backlog(engine) == (0, 5)


def test_a_queue_holds_only_its_own_jobs(engine: Running) -> None:
    (scene,) = ingest(engine, 1)
    assert lease(engine, queue="processor") == []
    report(engine, scene, Status.DONE)
    assert lease(engine) == []
    (job,) = lease(engine, queue="processor")
    assert json.loads(job.payload)["scene"]["id"] == scene
    assert (backlog(engine), backlog(engine, ItemKind.TILE)) == ((0, 0), (0, 1))


def test_leases_can_be_restricted_to_aois(engine: Running) -> None:
    first = ingest(engine, 2)
    engine.do(CreateAOI("Fyn"))
    engine.do(CreateAOI("Funen"))
    second = engine.ingest("Fyn", NewScene("s", 1, {"T": None}))

    def leased(aoi: str | None, limit: int = 5) -> list[int]:
        return [item(job) for job in engine.do(LeaseJobs("downloader", limit, 100, "w", aoi))]

    assert leased("Funen") == leased("*x*") == []
    with pytest.raises(AOINotFound):
        leased("Nowhere")
    assert leased("F*") == second
    assert leased(AOI, 1) == first[:1]
    assert leased(None) == first[1:]


def test_concurrent_lease_commands_get_jobs_of_their_aois(engine: Running) -> None:
    first = ingest(engine, 4)
    engine.do(CreateAOI("Fyn"))
    second = engine.ingest("Fyn", *[NewScene(f"s{number}", 1, {"T": None}) for number in range(3)])
    with engine.clock.holding():
        # the first command blocks, so that the others are executed in one batch
        blocked = engine.send(ExpireLeases())
        futures = [
            engine.send(LeaseJobs("downloader", limit, 100, "w", aoi))
            for limit, aoi in ((1, "Fyn"), (2, AOI), (1, "Nowhere"), (1, "F*"), (1, "Fyn"), (5, AOI), (5, None))
        ]
    blocked.result(30)
    with pytest.raises(AOINotFound):
        futures.pop(2).result(30)
    scenes = [[item(job) for job in future.result(30)] for future in futures]
    assert scenes == [second[:1], first[:2], second[2:], second[1:2], first[2:], []]


def test_a_leased_job_shows_its_worker(engine: Running) -> None:
    ingest(engine, 2)
    (job,) = lease(engine, worker='a "worker"')
    ((row,),) = engine.store.reader.jobs(ItemKind.SCENE, "leased", None)
    assert (row.id, row.lease, row.worker, row.expires) == (job.id, job.lease, 'a "worker"', job.expires)
    ((waiting,),) = engine.store.reader.jobs(ItemKind.SCENE, "queued", None)
    assert (waiting.lease, waiting.worker, waiting.expires) == (None, None, None)


def test_jobs_of_done_and_failed_items_are_not_leased(engine: Running) -> None:
    done, failed, left = ingest(engine, 3)
    report(engine, done, Status.DONE)
    engine.do(FailItem(ItemKind.SCENE, failed, force=True))
    assert [item(job) for job in lease(engine, 10)] == [left]


def test_the_jobs_of_a_deleted_aoi_are_withdrawn(engine: Running) -> None:
    ingest(engine, 2)
    (job,) = lease(engine)
    engine.do(DeleteAOI(AOI))
    assert lease(engine, 10) == []
    with pytest.raises(LeaseNotFound):
        engine.do(RenewLease("downloader", job.lease, 10))
    engine.clock.seconds = 1_000
    assert engine.do(ExpireLeases()) == 0


def test_many_threads_never_get_the_same_job(engine: Running) -> None:
    scenes = ingest(engine, 400)
    barrier = threading.Barrier(16)

    def work(number: int) -> list[LeasedJob]:
        chance, batches = random.Random(number), []
        barrier.wait()
        while jobs := lease(engine, chance.randint(1, 7), worker=str(number)):
            batches += jobs
        return batches

    with ThreadPoolExecutor(16) as workers:
        leased = [job for jobs in workers.map(work, range(16)) for job in jobs]
    assert sorted(item(job) for job in leased) == scenes
    assert len({job.lease for job in leased}) == len({job.id for job in leased}) == 400


# ---- expired leases


def test_an_expired_lease_dispatches_the_next_attempt(engine: Running) -> None:
    (scene,) = ingest(engine, 1)
    (first,) = lease(engine, seconds=100)
    engine.clock.seconds = 99.9
    assert engine.do(ExpireLeases()) == 0
    assert lease(engine) == []
    engine.clock.seconds = 100
    assert engine.do(ExpireLeases()) == 1
    assert engine.do(ExpireLeases()) == 0
    assert backlog(engine) == (1, 0)
    (second,) = lease(engine, worker="another")
    assert (item(second), second.attempt) == (scene, 2)
    assert second.id > first.id
    assert second.lease != first.lease
    event, leased = engine.events()[-2:]
    assert leased.cause is Cause.LEASED
    assert (event.cause, event.before, event.after) == (Cause.LEASE_EXPIRED, Status.PENDING, Status.PENDING)
    assert (event.attempt, event.retries_left) == (2, 1), "an expired lease does not count as a retry"


def test_leases_expire_without_a_command() -> None:
    store, start = open_store("duckdb:///:memory:"), time.monotonic()
    workflow = CommandProcessor(store, LeaseQueue, clock=lambda: START + timedelta(seconds=time.monotonic() - start))
    try:
        engine = Running(store, workflow, clock=None)  # type: ignore[arg-type]
        engine.do(CreateAOI(AOI))
        ingest(engine, 3)
        lease(engine, 1, seconds=3_000)
        assert len(lease(engine, 2, seconds=0.3)) == 2
        deadline = time.monotonic() + 240
        while backlog(engine) != (2, 1):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        workflow.close()
        store.close()


def test_the_result_of_an_earlier_attempt_is_stale(engine: Running) -> None:
    (scene,) = ingest(engine, 1)
    lease(engine, seconds=10)
    engine.clock.seconds = 10
    engine.do(ExpireLeases())
    before = engine.snapshot(), len(engine.events())
    outcome = report(engine, scene, Status.FAILED, attempt=1)
    assert (outcome.code, outcome.status) == ("stale", Status.PENDING)
    assert (engine.snapshot(), len(engine.events())) == before
    assert report(engine, scene, Status.DONE, attempt=2).code == "applied"
    assert report(engine, scene, Status.FAILED, attempt=1).code == "stale"


def test_a_result_ends_the_lease(engine: Running) -> None:
    (scene,) = ingest(engine, 1)
    (job,) = lease(engine, seconds=10)
    assert report(engine, scene, Status.RETRY, attempt=job.attempt).code == "applied"
    with pytest.raises(LeaseNotFound):
        engine.do(RenewLease("downloader", job.lease, 10))
    assert backlog(engine) == (1, 0)
    engine.clock.seconds = 1_000
    assert engine.do(ExpireLeases()) == 0
    assert [again.attempt for again in lease(engine)] == [2]


# ---- renewal


def test_a_renewed_lease_expires_later(engine: Running) -> None:
    ingest(engine, 1)
    (job,) = lease(engine, seconds=100)
    for moment in (60.0, 150.0, 240.0):
        engine.clock.seconds = moment
        assert engine.do(RenewLease("downloader", job.lease, 100)) == START + timedelta(seconds=moment + 100)
        assert engine.do(ExpireLeases()) == 0
    engine.clock.seconds = 339.9
    assert engine.do(ExpireLeases()) == 0
    engine.clock.seconds = 340
    assert engine.do(ExpireLeases()) == 1


def test_a_renewal_can_shorten_a_lease(engine: Running) -> None:
    ingest(engine, 1)
    (job,) = lease(engine, seconds=1_000)
    engine.do(RenewLease("downloader", job.lease, 1))
    engine.clock.seconds = 1
    assert engine.do(ExpireLeases()) == 1


def test_a_renewal_changes_no_other_lease(engine: Running) -> None:
    scenes = ingest(engine, 2)
    kept, _ = lease(engine, 2, seconds=10)
    engine.do(RenewLease("downloader", kept.lease, 100))
    engine.clock.seconds = 10
    assert engine.do(ExpireLeases()) == 1
    assert [item(job) for job in lease(engine, 5)] == [scenes[1]]


@pytest.mark.parametrize("lost", ["unknown", "expired", "of another queue", "", "'; DROP TABLE job; --"])
def test_a_lease_that_is_not_in_force_cannot_be_renewed(engine: Running, lost: str) -> None:
    ingest(engine, 1)
    (job,) = lease(engine, seconds=10)
    name = job.lease if lost in ("expired", "of another queue") else lost
    engine.clock.seconds = 10 if lost == "expired" else 0
    with pytest.raises(LeaseNotFound, match="Stop the work on its job and lease another") as error:
        engine.do(RenewLease("processor" if lost == "of another queue" else "downloader", name, 10))
    assert (error.value.status, error.value.code) == (404, "lease-not-found")
    assert [row.expires for (row,) in engine.store.reader.jobs(ItemKind.SCENE, "leased", None)] == [job.expires]


def test_a_batch_renewal_returns_the_lost_leases(engine: Running) -> None:
    ingest(engine, 4)
    short, done, *kept = [job.lease for job in lease(engine, 1, 10) + lease(engine, 3, 100)]
    report(engine, 2, Status.DONE)
    engine.clock.seconds = 50
    assert engine.do(RenewLeases("downloader", ["x", short, *kept, done], 100)) == ["x", short, done]
    assert engine.do(RenewLeases("processor", kept, 100)) == kept
    assert engine.do(RenewLeases("downloader", [], 100)) == []
    engine.clock.seconds = 149
    assert engine.do(ExpireLeases()) == 1
    engine.clock.seconds = 150
    assert engine.do(ExpireLeases()) == 2


# ---- a restart


def test_leases_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "workflow.duckdb"
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        scenes = ingest(engine, 3)
        short, long = lease(engine, 1, seconds=10), lease(engine, 1, seconds=100)
    with running_on(path) as engine:
        assert engine.do(ExpireLeases()) == 0
        assert [item(job) for job in lease(engine, 5, seconds=1_000)] == [scenes[2]]
        assert engine.do(RenewLease("downloader", long[0].lease, 200)) == START + timedelta(seconds=200)
        engine.clock.seconds = 10
        assert engine.do(ExpireLeases()) == 1
        with pytest.raises(LeaseNotFound):
            engine.do(RenewLease("downloader", short[0].lease, 10))
        assert [(item(job), job.attempt) for job in lease(engine, 5)] == [(scenes[0], 2)]


def test_leases_that_expired_during_downtime_end_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "workflow.duckdb"
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        ingest(engine, 1)
        lease(engine, seconds=10)
    store = open_store(f"duckdb:///{path}")
    workflow = CommandProcessor(store, LeaseQueue, clock=lambda: START + timedelta(days=1))
    try:
        deadline = time.monotonic() + 240
        while store.reader.backlog(ItemKind.SCENE) != (1, 0):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        workflow.close()
        store.close()


def test_pruning_keeps_leased_jobs(engine: Running) -> None:
    first, second = ingest(engine, 2)
    kept, done = lease(engine, 2, seconds=100)
    report(engine, item(done), Status.DONE)
    engine.clock.seconds = 50
    engine.do(PruneHistory(jobs=0))
    assert (item(kept), item(done)) == (first, second)
    assert lease(engine, 5) == []
    assert engine.do(RenewLease("downloader", kept.lease, 10)) == START + timedelta(seconds=60)


# ---- LeaseQueue without a store


class Outbox:
    """Outbox with leases in a dictionary."""

    def __init__(self) -> None:
        self.expiries: dict[str, datetime] = {}
        self.queries = 0

    def lease(self, queue: ItemKind, offers: Sequence[LeaseGrant], aois: Any) -> list[LeasedJob]:
        self.expiries |= {offer.lease: offer.until for offer in offers}
        return [LeasedJob(1, 1, "{}", 1, offer.lease, offer.until) for offer in offers]

    def renew(self, queue: ItemKind, leases: Any, now: datetime, until: datetime) -> list[str]:
        renewed = [lease for lease in leases if lease in self.expiries]
        self.expiries |= dict.fromkeys(renewed, until)
        return renewed

    def expired_jobs(self, now: datetime) -> list[Job]:
        self.queries += 1
        jobs = enumerate(self.expiries.values(), start=1)
        return [Job(number, ItemKind.SCENE, number, 1, 1) for number, until in jobs if until <= now]

    def next_expiry(self) -> datetime | None:
        return min(self.expiries.values(), default=None)


def test_expired_jobs_are_queried_only_after_the_next_expiry() -> None:
    outbox, now = Outbox(), datetime(2022, 1, 4, tzinfo=UTC)
    queue = LeaseQueue(outbox, iter("abc").__next__)
    assert queue.next_expiry is None
    assert queue.expired_jobs(now) == ()
    queue.lease([LeaseJobs("downloader", 2, 60, "w")], now, {})
    assert queue.next_expiry == now + timedelta(seconds=60)
    assert queue.expired_jobs(now + timedelta(seconds=59)) == ()
    assert outbox.queries == 0
    queue.renew(RenewLeases("downloader", ["a"], 30), now)
    assert queue.next_expiry == now + timedelta(seconds=30)
    queue.renew(RenewLeases("downloader", ["a"], 90), now)
    assert queue.expired_jobs(now + timedelta(seconds=30)) == []
    assert queue.next_expiry == now + timedelta(seconds=60)
    assert [job.item for job in queue.expired_jobs(now + timedelta(seconds=60))] == [2]
    assert outbox.queries == 2


def test_lease_names_are_long_and_unique() -> None:
    outbox = Outbox()
    names = [job.lease for job in LeaseQueue(outbox).lease([LeaseJobs("downloader", 100, 60, "w")], START, {})[0]]
    assert len(set(names)) == 100
    assert min(map(len, names)) >= 20


def test_a_lease_is_an_event_of_the_item(engine: Running) -> None:
    ingest(engine, 3)
    engine.clock.seconds += 60
    engine.do(LeaseJobs("downloader", 2, 100, "worker-1"))
    engine.clock.seconds += 40
    report(engine, 1, Status.DONE)
    events = [event for event in engine.events() if (event.type, event.id) == ("scene", 1)]
    assert [event.cause for event in events] == [Cause.INGEST, Cause.LEASED, Cause.RESULT]
    published, leased, done = events
    assert (leased.before, leased.after, leased.attempt) == (Status.PENDING, Status.PENDING, 1)
    assert (leased.actor, leased.message) == ("tester", "worker-1")
    assert [(leased.time - published.time).seconds, (done.time - leased.time).seconds] == [60, 40]
    assert [event.id for event in engine.events() if event.cause is Cause.LEASED] == [1, 2]
    engine.clock.seconds += 100
    assert engine.do(ExpireLeases()) == 1
    engine.do(LeaseJobs("downloader", 5, 100, "worker-2"))
    again = [(event.id, event.attempt) for event in engine.events() if event.message == "worker-2"]
    assert again == [(3, 1), (2, 2)]

"""The contract of a queue: each job reaches a worker after the commit of its transition, and again if that worker dies.

Subclass QueueContract, and override the fixture `harness` with a QueueHarness on an empty store:

    class TestMyQueue(QueueContract):
        @pytest.fixture
        def harness(self) -> Iterator[QueueHarness]: ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.domain.commands import Command, CreateAOI, DeleteAOI, FailItem, Ingest, ReportResults
from workflow_monitor.domain.errors import SceneExists
from workflow_monitor.domain.models import IngestOutcome, Result
from workflow_monitor.domain.state_machine import ResultOutcome
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.store.interfaces import Store

AOI = "Fyn"
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """A job leased by a worker; `worker` is the harness's own handle of that worker."""

    kind: ItemKind
    item: int
    attempt: int
    worker: Any


class QueueHarness(ABC):
    """A queue with its command processor and simulated workers. The methods alone advance the time."""

    def __init__(self, store: Store, workflow: CommandProcessor) -> None:
        self.store = store
        self.workflow = workflow

    @abstractmethod
    def lease(self, kind: ItemKind, number: int) -> list[WorkerJob]:
        """Lease up to `number` jobs to a worker; fewer only if the queue has no more."""

    @abstractmethod
    def report(self, job: WorkerJob, status: Status, message: str = "") -> None:
        """Report a result by the job's worker; return after the commit."""

    @abstractmethod
    def let_leases_expire(self, living: Sequence[WorkerJob]) -> None:
        """Advance the time beyond the lease of a silent worker; the workers of `living` renew meanwhile."""

    @abstractmethod
    def is_withdrawn(self, job: WorkerJob) -> bool:
        """Return True if the job's worker can detect that the job was withdrawn."""

    # ---- actions of the tests

    def do(self, command: Command) -> Any:
        return self.workflow.submit(command, "tester").result(SECONDS)

    def ingest(self, *names: str, after: str | None = None) -> list[int]:
        """Ingest scenes with one tile each, linked to the tile of the scene `after`; return their ids."""
        outcome: IngestOutcome = self.do(Ingest(AOI, [parse_scene(_document(name, after), AOI) for name in names]))
        return list(outcome.added.values())

    def report_late(self, job: WorkerJob, status: Status) -> ResultOutcome:
        """Report directly to the engine, as a late worker does."""
        result = Result(kind=job.kind, id=job.item, status=status, attempt=job.attempt)
        (outcome,) = self.do(ReportResults([result]))
        assert isinstance(outcome, ResultOutcome)
        return outcome

    def count_transitions(self, status: Status) -> Counter[tuple[ItemKind, int]]:
        """Count the transitions of each scene and tile to a status."""
        events = self.store.reader.events(0, None, 1_000_000)
        return Counter(
            (ItemKind(event.type), event.id) for event in events if event.type != "aoi" and event.after is status
        )


def _document(name: str, after: str | None) -> dict[str, Any]:
    linked = ("previous", "reference") if after is not None else ()
    links = {f"{end}_{of}": value for end in linked for of, value in (("scene_id", after), ("tile_id", "T"))}
    return {
        "source_id": name,
        "aoi": AOI,
        "retry_count": 1,
        "data": {"date": "2022-01-04T10:34:31Z", "tiles": {"T": {"swath_id": "", "tile_nr": 0}}},
        "tiles": {"T": {"data": {"graph_name": ""}, **links}},
    }


def _of(jobs: Iterable[WorkerJob]) -> list[tuple[int, int]]:
    """Return pairs of item and attempt, by item."""
    return sorted((job.item, job.attempt) for job in jobs)


class QueueContract:
    """Tests of the contract of a queue."""

    @pytest.fixture
    def harness(self) -> QueueHarness:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _aoi(self, harness: QueueHarness) -> None:
        harness.do(CreateAOI(AOI))

    def test_a_job_is_published_with_its_transition(self, harness: QueueHarness) -> None:
        assert harness.lease(ItemKind.SCENE, 5) == []
        first, second = harness.ingest("s1", "s2")
        assert _of(harness.lease(ItemKind.SCENE, 5)) == [(first, 1), (second, 1)]

    def test_a_refused_command_publishes_no_job(self, harness: QueueHarness) -> None:
        (scene,) = harness.ingest("s1")
        with pytest.raises(SceneExists):
            harness.ingest("s2", "s1")
        assert _of(harness.lease(ItemKind.SCENE, 5)) == [(scene, 1)]

    def test_a_result_publishes_the_jobs_of_followers(self, harness: QueueHarness) -> None:
        harness.ingest("s1")
        harness.ingest("s2", after="s1")
        first, second = sorted(harness.lease(ItemKind.SCENE, 2), key=lambda job: job.item)
        harness.report(second, Status.DONE)
        assert harness.lease(ItemKind.TILE, 5) == []
        harness.report(first, Status.DONE)
        (tile,) = harness.lease(ItemKind.TILE, 5)
        harness.report(tile, Status.DONE)
        (follower,) = harness.lease(ItemKind.TILE, 5)
        assert follower.item != tile.item

    def test_a_lease_respects_the_limit_and_never_repeats_a_job(self, harness: QueueHarness) -> None:
        scenes = harness.ingest(*(f"s{number}" for number in range(5)))
        batches = [harness.lease(ItemKind.SCENE, 2) for _ in range(4)]
        assert [len(jobs) for jobs in batches] == [2, 2, 1, 0]
        assert sorted(job.item for jobs in batches for job in jobs) == scenes

    def test_a_worker_that_renews_keeps_its_job(self, harness: QueueHarness) -> None:
        harness.ingest("s1")
        (job,) = harness.lease(ItemKind.SCENE, 1)
        harness.let_leases_expire([job])
        assert harness.lease(ItemKind.SCENE, 1) == []
        assert not harness.is_withdrawn(job)
        harness.report(job, Status.DONE)
        assert harness.count_transitions(Status.DONE) == {(ItemKind.SCENE, job.item): 1}

    def test_the_job_of_a_dead_worker_becomes_the_next_attempt(self, harness: QueueHarness) -> None:
        harness.ingest("s1", "s2")
        dead, living = harness.lease(ItemKind.SCENE, 1), harness.lease(ItemKind.SCENE, 1)
        harness.let_leases_expire(living)
        (again,) = harness.lease(ItemKind.SCENE, 5)
        assert (again.item, again.attempt) == (dead[0].item, 2)

    def test_a_late_result_changes_nothing(self, harness: QueueHarness) -> None:
        harness.ingest("s1")
        (late,) = harness.lease(ItemKind.SCENE, 1)
        harness.let_leases_expire([])
        assert harness.report_late(late, Status.FAILED).code == "stale"
        (again,) = harness.lease(ItemKind.SCENE, 1)
        assert harness.report_late(late, Status.DONE).code == "stale"
        harness.report(again, Status.DONE)
        assert harness.count_transitions(Status.DONE) == {(ItemKind.SCENE, again.item): 1}
        assert not harness.count_transitions(Status.FAILED)

    def test_a_failed_job_becomes_the_next_attempt(self, harness: QueueHarness) -> None:
        harness.ingest("s1")
        (job,) = harness.lease(ItemKind.SCENE, 1)
        harness.report(job, Status.RETRY, "it broke")
        (again,) = harness.lease(ItemKind.SCENE, 1)
        assert (again.item, again.attempt) == (job.item, 2)
        harness.report(again, Status.FAILED, "for good")
        assert harness.lease(ItemKind.SCENE, 1) == []
        assert harness.count_transitions(Status.FAILED)[ItemKind.SCENE, job.item] == 1

    def test_a_withdrawn_job_reaches_no_worker(self, harness: QueueHarness) -> None:
        failed, kept = harness.ingest("s1", "s2")
        harness.do(FailItem(ItemKind.SCENE, failed, force=True))
        assert _of(harness.lease(ItemKind.SCENE, 5)) == [(kept, 1)]

    def test_the_holder_of_a_withdrawn_job_detects_it(self, harness: QueueHarness) -> None:
        harness.ingest("s1", "s2")
        failed, kept = harness.lease(ItemKind.SCENE, 1) + harness.lease(ItemKind.SCENE, 1)
        harness.do(FailItem(ItemKind.SCENE, failed.item, force=True))
        assert harness.is_withdrawn(failed)
        assert not harness.is_withdrawn(kept)
        assert harness.report_late(failed, Status.DONE).code == "refused"

    def test_the_jobs_of_a_deleted_aoi_are_withdrawn(self, harness: QueueHarness) -> None:
        harness.ingest("s1", "s2")
        (held,) = harness.lease(ItemKind.SCENE, 1)
        harness.do(DeleteAOI(AOI))
        assert harness.lease(ItemKind.SCENE, 5) == []
        assert harness.is_withdrawn(held)

    def test_all_work_completes_although_workers_die(self, harness: QueueHarness) -> None:
        after = None
        for number in range(6):
            harness.ingest(name := f"s{number}", after=after)
            after = name
        deaths = 0
        while jobs := harness.lease(ItemKind.SCENE, 3) + harness.lease(ItemKind.TILE, 3):
            living = [job for job in jobs if job.attempt > 1 or job.item % 2]
            if len(living) < len(jobs):
                deaths += len(jobs) - len(living)
                harness.let_leases_expire(living)
            for job in living:
                harness.report(job, Status.DONE)
        done = harness.count_transitions(Status.DONE)
        assert deaths == 6
        assert len(done) == 12
        assert set(done.values()) == {1}

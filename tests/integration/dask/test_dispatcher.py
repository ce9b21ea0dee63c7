from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import pytest
from dask.utils import key_split
from distributed import Client, Future

from tests.clusters import threads
from tests.engine_harness import Running, running
from tests.reference_model import NewScene
from tests.server_process import free_port
from workflow_monitor.dask import FailJob, Job, RetryJob, TaskSpec
from workflow_monitor.dask.cluster import ClientClosed, Cluster
from workflow_monitor.dask.dispatcher import Dispatcher, Stats
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.dask.processing import Processing
from workflow_monitor.domain.commands import CreateAOI, ExpireLeases, FailItem, ReportResults
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.queues.dask import LocalJobSource

AOI = "Fyn"
#: started jobs, and the event that ends them; the worker of the cluster runs in this process
STARTED: SimpleQueue[Job] = SimpleQueue()
GATE = threading.Event()
EXCLUSIVE = threading.Lock()
#: one entry per job of `run_exclusively` that may end
NEXT: SimpleQueue[bool] = SimpleQueue()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with threads(4, {"NETWORK": 1}) as client:
        yield client


@pytest.fixture
def engine() -> Iterator[Running]:
    while not STARTED.empty():
        STARTED.get()
    GATE.clear()
    with running() as engine:
        engine.do(CreateAOI(AOI))
        yield engine
    GATE.set()


def ingest(engine: Running, number: int) -> list[int]:
    return engine.ingest(AOI, *[NewScene(f"S2A_{index}", 1, {"T32UNG": None}) for index in range(number)])


def dispatcher(
    engine: Running, client: Any, work: TaskSpec | dict[ItemKind, TaskSpec], source: Any = None
) -> Dispatcher:
    tasks = work if isinstance(work, dict) else {ItemKind.SCENE: work}
    source = source or LocalJobSource(engine.workflow.submit)
    return Dispatcher(source, Cluster(client), tasks, lease_seconds=60, clock=lambda: engine.clock.seconds)


def step_until(dispatcher: Dispatcher, condition: Callable[[Stats], bool]) -> Stats:
    deadline = time.monotonic() + 240
    while not condition(dispatcher.stats):
        assert time.monotonic() < deadline, dispatcher.stats
        dispatcher.step()
        time.sleep(0.005)
    return dispatcher.stats


def statuses(engine: Running, kind: ItemKind = ItemKind.SCENE) -> dict[int, tuple[Status, str]]:
    items = engine.snapshot().items
    return {key.id: (item.status, item.message) for key, item in items.items() if key.kind is kind}


def nothing(job: Job) -> None:
    pass


def block(job: Job) -> None:
    STARTED.put(job)
    assert GATE.wait(30)


# ---- results


def test_exceptions_of_functions_determine_the_results(engine: Running, client: Client) -> None:
    ingest(engine, 3)

    def function(job: Job) -> None:
        if job.id == 2:
            raise RetryJob("not there yet")
        if job.id == 3:
            raise FailJob("no such product")

    stats = step_until(dispatcher(engine, client, TaskSpec(function)), lambda stats: stats.done + stats.retry == 3)
    assert stats == Stats(running=0, done=1, retry=2, failed=1, lost=0, withdrawn=0)
    assert statuses(engine) == {
        1: (Status.DONE, ""),
        2: (Status.RETRY, "not there yet"),
        3: (Status.FAILED, "no such product"),
    }
    assert set(statuses(engine, ItemKind.TILE).values()) == {
        (Status.PENDING, ""), (Status.NEW, ""), (Status.FAILED, "")
    }  # fmt: skip


class Broken:
    """A function that no worker can load."""

    def __call__(self, job: Job) -> None: ...

    def __reduce__(self) -> Any:
        return _broken, ()


def _broken() -> None:
    raise ModuleNotFoundError("No module named 'rasterio'")


def test_jobs_of_a_function_that_cannot_be_loaded_end_in_retry(engine: Running, client: Client) -> None:
    ingest(engine, 2)
    step_until(dispatcher(engine, client, TaskSpec(Broken())), lambda stats: stats.retry == 4)
    assert {status for status, _ in statuses(engine).values()} == {Status.RETRY}
    assert all("No module named 'rasterio'" in message for _, message in statuses(engine).values())


def test_more_jobs_than_a_batch_are_processed(engine: Running, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow_monitor.dask.dispatcher.BATCH", 10)
    count = 25
    ingest(engine, count)
    tasks = {ItemKind.SCENE: TaskSpec(nothing, limit=2 * count), ItemKind.TILE: TaskSpec(nothing)}
    step_until(dispatcher(engine, client, tasks), lambda stats: stats.done == 2 * count)
    assert {status for status, _ in statuses(engine, ItemKind.TILE).values()} == {Status.DONE}


# ---- submission to the cluster


def test_running_jobs_are_limited(engine: Running, client: Client) -> None:
    ingest(engine, 5)
    work = dispatcher(engine, client, TaskSpec(block, limit=2))
    for _ in range(3):
        work.step()
    assert work.stats.running == 2
    assert engine.store.reader.backlog(ItemKind.SCENE) == (3, 2)
    GATE.set()
    step_until(work, lambda stats: stats.done == 5)


def run_exclusively(job: Job) -> None:
    """Fail if another job runs concurrently, which it could for as long as the lock is held."""
    assert EXCLUSIVE.acquire(blocking=False)
    try:
        STARTED.put(job)
        assert NEXT.get(timeout=30)
    finally:
        EXCLUSIVE.release()


def test_resources_and_priorities_are_submitted(engine: Running, client: Client) -> None:
    """One NETWORK admits one job at a time; jobs of a higher priority start before earlier jobs."""
    ingest(engine, 5)
    first = dispatcher(engine, client, TaskSpec(block, limit=1, resources={"NETWORK": 1}))
    first.step()
    assert STARTED.get(timeout=30).id == 1
    engine.do(ReportResults([Result(kind=ItemKind.SCENE, id=scene, status=Status.DONE) for scene in (2, 3)]))
    tasks = {
        ItemKind.TILE: TaskSpec(run_exclusively, resources={"NETWORK": 1}),
        ItemKind.SCENE: TaskSpec(run_exclusively, resources={"NETWORK": 1}, priority=10),
    }
    work = dispatcher(engine, client, tasks)
    work.step()
    work.finish()
    eventually(lambda: tasks_on_worker(client) == 5)
    GATE.set()
    order = []
    for _ in range(4):
        order.append(STARTED.get(timeout=30).kind)
        assert executing_on_worker(client) == 1
        NEXT.put(True)
    assert order == [ItemKind.SCENE, ItemKind.SCENE, ItemKind.TILE, ItemKind.TILE]
    assert step_until(work, lambda stats: stats.running == 0).done == 4


def tasks_on_worker(client: Client) -> int:
    (count,) = client.run(lambda dask_worker: len(dask_worker.state.tasks)).values()
    return int(count)


def executing_on_worker(client: Client) -> int:
    (count,) = client.run(lambda dask_worker: len(dask_worker.state.executing)).values()
    return int(count)


def unrunnable_tasks(client: Client) -> int:
    count = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.unrunnable))
    return int(count)


def test_a_job_without_a_suitable_worker_does_not_start(engine: Running, client: Client) -> None:
    ingest(engine, 1)
    work = dispatcher(engine, client, TaskSpec(nothing, resources={"GPU": 1}))
    work.step()
    eventually(lambda: unrunnable_tasks(client) == 1)
    work.step()
    assert work.stats == Stats(running=1, done=0, retry=0, failed=0, lost=0, withdrawn=0)


def test_task_keys_start_with_the_kind_for_the_dask_dashboard(engine: Running, client: Client) -> None:
    ingest(engine, 1)
    work = dispatcher(engine, client, TaskSpec(block))
    work.step()
    assert STARTED.get(timeout=30).id == 1
    assert {key_split(key) for key in client.futures} == {"scene"}


# ---- withdrawn and lost jobs


def test_jobs_of_failed_items_are_cancelled(engine: Running, client: Client) -> None:
    ingest(engine, 3)
    work = dispatcher(engine, client, TaskSpec(block, resources={"NETWORK": 1}))
    work.step()
    assert STARTED.get(timeout=30).id == 1
    engine.do(FailItem(ItemKind.SCENE, 2, force=True))
    engine.clock.seconds = 10
    work.step()
    assert work.stats == Stats(running=2, done=0, retry=0, failed=0, lost=0, withdrawn=1)
    eventually(lambda: tasks_on_worker(client) == 2)
    GATE.set()
    step_until(work, lambda stats: stats.done == 2)
    assert STARTED.get(timeout=30).id == 3
    assert STARTED.empty()
    assert [status for status, _ in statuses(engine).values()] == [Status.DONE, Status.FAILED, Status.DONE]


def test_jobs_lost_by_the_cluster_become_the_next_attempt(engine: Running, client: Client) -> None:
    ingest(engine, 2)
    work = dispatcher(engine, client, TaskSpec(block, limit=2))
    work.step()
    client.cancel([Future(key, client) for key in list(client.futures)])
    assert step_until(work, lambda stats: stats.lost == 2).running == 0
    assert engine.store.reader.backlog(ItemKind.SCENE) == (0, 2), "the leases last until they expire"
    engine.clock.seconds = 1
    engine.do(ExpireLeases())
    assert work.step()
    assert [job.attempt for job in started_jobs(4)][2:] == [2, 2]
    assert {event.cause for event in engine.events() if event.attempt == 2} == {Cause.LEASE_EXPIRED, Cause.LEASED}


def started_jobs(count: int) -> list[Job]:
    return [STARTED.get(timeout=30) for _ in range(count)]


# ---- connection failures


def test_no_job_is_leased_for_an_unreachable_cluster(engine: Running) -> None:
    ingest(engine, 1)
    work = dispatcher(engine, f"tcp://127.0.0.1:{free_port()}", TaskSpec(nothing))
    with pytest.raises(ServerUnavailable, match="does not respond"):
        work.step()
    assert engine.store.reader.backlog(ItemKind.SCENE) == (1, 0)


@dataclass
class InterruptibleSource:
    """A source of jobs that fails while `is_away` is set."""

    source: LocalJobSource
    is_away: bool = False
    reported: list[Sequence[Result]] = field(default_factory=list)

    def _check(self) -> None:
        if self.is_away:
            raise ServerUnavailable("The server is restarting.")

    def lease(self, kind: ItemKind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        self._check()
        return self.source.lease(kind, limit, seconds, worker)

    def renew(self, kind: ItemKind, leases: Sequence[str], seconds: int) -> list[str]:
        self._check()
        return self.source.renew(kind, leases, seconds)

    def report(self, results: Sequence[Result]) -> None:
        self._check()
        self.source.report(results)
        self.reported.append(results)


def test_results_are_kept_while_the_server_is_away(engine: Running, client: Client) -> None:
    ingest(engine, 2)
    source = InterruptibleSource(LocalJobSource(engine.workflow.submit))
    work = dispatcher(engine, client, TaskSpec(block), source)
    work.step()
    source.is_away = True
    GATE.set()
    deadline = time.monotonic() + 240
    while work.stats.running:
        assert time.monotonic() < deadline
        with pytest.raises(ServerUnavailable):
            work.step()
    source.is_away = False
    work.step()
    assert work.stats.done == 2
    assert [len(results) for results in source.reported] == [2]
    assert {status for status, _ in statuses(engine).values()} == {Status.DONE}


def test_processing_shows_the_reason_of_a_wait_and_continues(engine: Running, client: Client) -> None:
    source = InterruptibleSource(LocalJobSource(engine.workflow.submit), is_away=True)
    with Processing(source, client, {ItemKind.SCENE: nothing}, 60) as work:
        eventually(lambda: "The server is restarting." in repr(work))
        ingest(engine, 1)
        source.is_away = False
        eventually(lambda: work.stats.done == 1)
        assert "restarting" not in repr(work)


# ---- start and end


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def process(engine: Running, client: Client) -> Processing:
    return Processing(LocalJobSource(engine.workflow.submit), client, {ItemKind.SCENE: TaskSpec(block, limit=2)}, 60)


def test_finish_leases_no_further_jobs(engine: Running, client: Client) -> None:
    ingest(engine, 3)
    work = process(engine, client)
    eventually(lambda: work.stats.running == 2)
    with pytest.raises(TimeoutError, match="Still running after 5e-05 seconds: <Processing on tcp"):
        work.finish(5e-5)
    GATE.set()
    work.finish(30)
    assert not work.is_running
    assert (work.stats.done, engine.store.reader.backlog(ItemKind.SCENE)) == (2, (1, 0))
    assert repr(work).startswith("<Processing ended, was on tcp://")


def test_stop_releases_the_jobs(engine: Running, client: Client) -> None:
    ingest(engine, 3)
    with process(engine, client) as work:
        eventually(lambda: work.stats.running == 2)
        submitted = set(client.futures)
    assert not work.is_running
    # the event loop of the client removes them
    eventually(lambda: not submitted & set(client.futures))
    assert client.status == "running", "the caller closes its own client"
    engine.clock.seconds = 1
    engine.do(ExpireLeases())
    assert engine.store.reader.backlog(ItemKind.SCENE) == (3, 0)


def test_a_closed_client_ends_the_processing_with_an_error(engine: Running) -> None:
    ingest(engine, 2)
    with threads(1) as client:
        work = process(engine, client)
        eventually(lambda: work.stats.running == 2)
        GATE.set()
        client.close()
        eventually(lambda: not work.is_running)
    with pytest.raises(ClientClosed, match="start again with another"):
        work.stop()
    assert "is closed" in repr(work)


def test_an_address_gets_its_own_client_and_the_cluster_stays(engine: Running, client: Client) -> None:
    ingest(engine, 1)
    GATE.set()
    with process(engine, client.scheduler.address) as work:  # type: ignore[union-attr, arg-type]
        eventually(lambda: work.stats.done == 1)
        assert len(client.scheduler_info()["workers"]) == 1
    assert client.status == "running"


def test_a_function_that_cannot_be_pickled_is_rejected(engine: Running, client: Client) -> None:
    def function(job: Job) -> None:
        with lock:
            pass

    lock = threading.Lock()
    with pytest.raises(TypeError, match="pickle"):
        Processing(LocalJobSource(engine.workflow.submit), client, {ItemKind.SCENE: function}, 60)


def test_processing_without_functions_is_rejected(engine: Running, client: Client) -> None:
    with pytest.raises(ValueError, match="No function"):
        Processing(LocalJobSource(engine.workflow.submit), client, {ItemKind.SCENE: None}, 60)

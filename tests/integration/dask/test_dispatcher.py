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
from workflow_monitor.domain.commands import CreateAOI, ExpireLeases, ReportResults
from workflow_monitor.domain.commands import FailItem as GiveUp
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.queues.dask import LocalJobSource

AOI = "Fyn"
#: jobs that have begun, and what lets them end; the cluster's worker is in this process
BEGUN: SimpleQueue[Job] = SimpleQueue()
GATE = threading.Event()
ALONE = threading.Lock()


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with threads(4, {"NETWORK": 1}) as client:
        yield client


@pytest.fixture
def engine() -> Iterator[Running]:
    while not BEGUN.empty():
        BEGUN.get()
    GATE.clear()
    with running() as engine:
        engine.do(CreateAOI(AOI))
        yield engine
    GATE.set()


def grow(engine: Running, number: int) -> list[int]:
    return engine.ingest(AOI, *[NewScene(f"S2A_{index}", 1, {"T32UNG": None}) for index in range(number)])


def dispatcher(
    engine: Running, client: Any, work: TaskSpec | dict[ItemKind, TaskSpec], source: Any = None
) -> Dispatcher:
    given = work if isinstance(work, dict) else {ItemKind.SCENE: work}
    source = source or LocalJobSource(engine.workflow.submit)
    return Dispatcher(source, Cluster(client), given, lease_seconds=60, clock=lambda: engine.clock.seconds)


def turn_until(dispatcher: Dispatcher, is_so: Callable[[Stats], bool]) -> Stats:
    deadline = time.monotonic() + 240
    while not is_so(dispatcher.stats):
        assert time.monotonic() < deadline, dispatcher.stats
        dispatcher.step()
        time.sleep(0.005)
    return dispatcher.stats


def statuses(engine: Running, kind: ItemKind = ItemKind.SCENE) -> dict[int, tuple[Status, str]]:
    items = engine.snapshot().items
    return {key.id: (item.status, item.message) for key, item in items.items() if key.kind is kind}


def nothing(job: Job) -> None:
    pass


def wait(job: Job) -> None:
    BEGUN.put(job)
    assert GATE.wait(30)


# ---- what becomes of jobs


def test_results_are_what_the_functions_raise(engine: Running, client: Client) -> None:
    grow(engine, 3)

    def function(job: Job) -> None:
        if job.id == 2:
            raise RetryJob("not there yet")
        if job.id == 3:
            raise FailJob("no such product")

    tally = turn_until(dispatcher(engine, client, TaskSpec(function)), lambda tally: tally.done + tally.retry == 3)
    assert tally == Stats(running=0, done=1, retry=2, failed=1, lost=0, withdrawn=0)
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


def test_what_cannot_be_begun_waits_for_a_person(engine: Running, client: Client) -> None:
    grow(engine, 2)
    turn_until(dispatcher(engine, client, TaskSpec(Broken())), lambda tally: tally.retry == 4)
    assert {status for status, _ in statuses(engine).values()} == {Status.RETRY}
    assert all("No module named 'rasterio'" in message for _, message in statuses(engine).values())


def test_more_than_is_leased_at_once_gets_done(
    engine: Running, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_monitor.dask.dispatcher.BATCH", 10)
    number = 25
    grow(engine, number)
    given = {ItemKind.SCENE: TaskSpec(nothing, limit=2 * number), ItemKind.TILE: TaskSpec(nothing)}
    turn_until(dispatcher(engine, client, given), lambda tally: tally.done == 2 * number)
    assert {status for status, _ in statuses(engine, ItemKind.TILE).values()} == {Status.DONE}


# ---- how the cluster is asked


def test_no_more_is_at_the_cluster_than_was_said(engine: Running, client: Client) -> None:
    grow(engine, 5)
    work = dispatcher(engine, client, TaskSpec(wait, limit=2))
    for _ in range(3):
        work.step()
    assert work.stats.running == 2
    assert engine.store.reader.backlog(ItemKind.SCENE) == (3, 2)
    GATE.set()
    turn_until(work, lambda tally: tally.done == 5)


def alone(job: Job) -> None:
    assert ALONE.acquire(blocking=False)
    time.sleep(0.05)
    ALONE.release()
    BEGUN.put(job)


def test_resources_and_priorities_are_passed_on(engine: Running, client: Client) -> None:
    """With one NETWORK there is one job at a time, and what is more urgent goes before what came earlier."""
    grow(engine, 5)
    first = dispatcher(engine, client, TaskSpec(wait, limit=1, resources={"NETWORK": 1}))
    first.step()
    assert BEGUN.get(timeout=30).id == 1
    engine.do(ReportResults([Result(kind=ItemKind.SCENE, id=number, status=Status.DONE) for number in (2, 3)]))
    given = {
        ItemKind.TILE: TaskSpec(alone, resources={"NETWORK": 1}),
        ItemKind.SCENE: TaskSpec(alone, resources={"NETWORK": 1}, priority=10),
    }
    work = dispatcher(engine, client, given)
    work.step()
    work.finish()
    eventually(lambda: tasks_on_worker(client) == 5)
    GATE.set()
    assert turn_until(work, lambda tally: tally.running == 0).done == 4
    assert [BEGUN.get().kind for _ in range(4)] == [ItemKind.SCENE, ItemKind.SCENE, ItemKind.TILE, ItemKind.TILE]


def tasks_on_worker(client: Client) -> int:
    (number,) = client.run(lambda dask_worker: len(dask_worker.state.tasks)).values()
    return int(number)


def test_what_no_worker_has_the_resources_for_is_not_begun(engine: Running, client: Client) -> None:
    grow(engine, 1)
    work = dispatcher(engine, client, TaskSpec(nothing, resources={"GPU": 1}))
    for _ in range(20):
        work.step()
        time.sleep(0.01)
    assert work.stats == Stats(running=1, done=0, retry=0, failed=0, lost=0, withdrawn=0)


def test_the_dashboard_of_dask_shows_scenes_and_tiles(engine: Running, client: Client) -> None:
    grow(engine, 1)
    work = dispatcher(engine, client, TaskSpec(wait))
    work.step()
    assert {key_split(key) for key in client.futures} == {"scene"}


# ---- what is not wanted, or lost


def test_what_is_given_up_by_hand_is_cancelled(engine: Running, client: Client) -> None:
    grow(engine, 3)
    work = dispatcher(engine, client, TaskSpec(wait, resources={"NETWORK": 1}))
    work.step()
    assert BEGUN.get(timeout=30).id == 1
    engine.do(GiveUp(ItemKind.SCENE, 2, force=True))
    engine.clock.seconds = 10
    work.step()
    assert work.stats == Stats(running=2, done=0, retry=0, failed=0, lost=0, withdrawn=1)
    eventually(lambda: tasks_on_worker(client) == 2)
    GATE.set()
    turn_until(work, lambda tally: tally.done == 2)
    assert BEGUN.get(timeout=30).id == 3
    assert BEGUN.empty()
    assert [status for status, _ in statuses(engine).values()] == [Status.DONE, Status.FAILED, Status.DONE]


def test_what_the_cluster_has_lost_is_handed_out_as_the_next_attempt(engine: Running, client: Client) -> None:
    grow(engine, 2)
    work = dispatcher(engine, client, TaskSpec(wait, limit=2))
    work.step()
    client.cancel([Future(key, client) for key in list(client.futures)])
    assert turn_until(work, lambda tally: tally.lost == 2).running == 0
    assert engine.store.reader.backlog(ItemKind.SCENE) == (0, 2), "leased, for a moment"
    engine.clock.seconds = 1
    engine.do(ExpireLeases())
    assert work.step()
    assert [job.attempt for job in client_jobs(4)][2:] == [2, 2]
    assert {event.cause for event in engine.events() if event.attempt == 2} == {Cause.LEASE_EXPIRED}


def client_jobs(number: int) -> list[Job]:
    return [BEGUN.get(timeout=30) for _ in range(number)]


# ---- what is away


def test_nothing_is_leased_for_a_cluster_that_does_not_answer(engine: Running) -> None:
    grow(engine, 1)
    work = dispatcher(engine, f"tcp://127.0.0.1:{free_port()}", TaskSpec(nothing))
    with pytest.raises(ServerUnavailable, match="does not respond"):
        work.step()
    assert engine.store.reader.backlog(ItemKind.SCENE) == (1, 0)


@dataclass
class Unsteady:
    """A source that is away now and then."""

    source: LocalJobSource
    is_away: bool = False
    told: list[Sequence[Result]] = field(default_factory=list)

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
        self.told.append(results)


def test_results_are_kept_while_the_server_is_away(engine: Running, client: Client) -> None:
    grow(engine, 2)
    source = Unsteady(LocalJobSource(engine.workflow.submit))
    work = dispatcher(engine, client, TaskSpec(wait), source)
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
    assert [len(results) for results in source.told] == [2]
    assert {status for status, _ in statuses(engine).values()} == {Status.DONE}


def test_a_run_says_what_it_waits_for_and_goes_on(engine: Running, client: Client) -> None:
    source = Unsteady(LocalJobSource(engine.workflow.submit), is_away=True)
    with Processing(source, client, {ItemKind.SCENE: nothing}, 60) as work:
        eventually(lambda: "The server is restarting." in repr(work))
        grow(engine, 1)
        source.is_away = False
        eventually(lambda: work.stats.done == 1)
        assert "restarting" not in repr(work)


# ---- beginning and ending


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def process(engine: Running, client: Client) -> Processing:
    return Processing(LocalJobSource(engine.workflow.submit), client, {ItemKind.SCENE: TaskSpec(wait, limit=2)}, 60)


def test_to_finish_is_to_take_no_more(engine: Running, client: Client) -> None:
    grow(engine, 3)
    work = process(engine, client)
    eventually(lambda: work.stats.running == 2)
    with pytest.raises(TimeoutError, match="Still running after 5e-05 seconds: <Processing on tcp"):
        work.finish(5e-5)
    GATE.set()
    work.finish(30)
    assert not work.is_running
    assert (work.stats.done, engine.store.reader.backlog(ItemKind.SCENE)) == (2, (1, 0))
    assert repr(work).startswith("<Processing ended, was on tcp://")


def test_to_stop_is_to_give_back(engine: Running, client: Client) -> None:
    grow(engine, 3)
    with process(engine, client) as work:
        eventually(lambda: work.stats.running == 2)
        mine = set(client.futures)
    assert not work.is_running
    # on the loop of the client
    eventually(lambda: not mine & set(client.futures))
    assert client.status == "running", "it is the caller's own"
    engine.clock.seconds = 1
    engine.do(ExpireLeases())
    assert engine.store.reader.backlog(ItemKind.SCENE) == (3, 0)


def test_a_client_that_is_closed_ends_it_and_everybody_is_told(engine: Running) -> None:
    grow(engine, 2)
    with threads(1) as client:
        work = process(engine, client)
        eventually(lambda: work.stats.running == 2)
        GATE.set()
        client.close()
        eventually(lambda: not work.is_running)
    with pytest.raises(ClientClosed, match="start again with another"):
        work.stop()
    assert "is closed" in repr(work)


def test_a_cluster_of_ones_own_is_left_by_a_client_of_ours(engine: Running, client: Client) -> None:
    grow(engine, 1)
    GATE.set()
    with process(engine, client.scheduler.address) as work:  # type: ignore[union-attr, arg-type]
        eventually(lambda: work.stats.done == 1)
        assert len(client.scheduler_info()["workers"]) == 1
    assert client.status == "running"


def test_a_function_that_cannot_be_sent_is_refused_at_once(engine: Running, client: Client) -> None:
    def function(job: Job) -> None:
        with lock:
            pass

    lock = threading.Lock()
    with pytest.raises(TypeError, match="pickle"):
        Processing(LocalJobSource(engine.workflow.submit), client, {ItemKind.SCENE: function}, 60)


def test_there_has_to_be_something_to_do(engine: Running, client: Client) -> None:
    with pytest.raises(ValueError, match="No function"):
        Processing(LocalJobSource(engine.workflow.submit), client, {ItemKind.SCENE: None}, 60)

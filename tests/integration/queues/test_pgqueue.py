"""The queue of the Geocube services, with workers that access its table as the services do."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.server_process import TOKEN, live_server
from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, DrainResults, FailItem, LeaseJobs, ReportResults
from workflow_monitor.domain.errors import SceneExists, StoreUnavailable
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.queues.lease import LeaseQueue
from workflow_monitor.queues.pgqueue import Options, PgQueues
from workflow_monitor.store import open_store
from workflow_monitor.testing.engine_harness import AOI, Clock, Running, document, new

DOWNLOADER, PROCESSOR, EVENTS = "ingester-downloader", "ingester-processor", "ingester-events"
QUEUE = {ItemKind.SCENE: DOWNLOADER, ItemKind.TILE: PROCESSOR}
LOCK_NEXT = """
    SELECT id, data FROM pgq_jobs WHERE queue_name = %s AND ran_at IS NULL AND run_after <= now()
    ORDER BY run_after LIMIT 1 FOR UPDATE SKIP LOCKED"""


class Service:
    """A downloader or processor, which locks the row of its job in a transaction while it works."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url)
        self.row = 0

    def take(self, queue: str) -> dict[str, Any] | None:
        row = self.connection.execute(LOCK_NEXT, (queue,)).fetchone()
        if row is None:
            self.connection.rollback()
            return None
        self.row = row[0]
        message: dict[str, Any] = json.loads(bytes(row[1]).decode())
        return message

    def wait_for(self, queue: str) -> dict[str, Any]:
        """Lock the next job; wait until the queue has one."""
        deadline = time.monotonic() + 240
        while (message := self.take(queue)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return message

    def finish(self, kind: ItemKind, item: int, status: str, message: str = "") -> None:
        event = {"type": kind, "id": item, "status": status, "message": message}
        put(self.connection, event)
        self.connection.execute("DELETE FROM pgq_jobs WHERE id = %s", (self.row,))
        self.connection.commit()

    def die(self) -> None:
        self.connection.close()


def put(connection: psycopg.Connection[Any], event: object) -> None:
    """Insert a message into the events queue, as a service does."""
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    connection.execute(
        "INSERT INTO pgq_jobs (queue_name, data, run_after, retry_waits) VALUES (%s, %s, clock_timestamp(), '{1m0s}')",
        (EVENTS, data),
    )


@contextmanager
def running(url: str) -> Iterator[Running]:
    store, clock = open_store(url), Clock()
    try:
        workflow = CommandProcessor(store, PgQueues(), clock=clock, elapsed=clock.elapsed)
        try:
            yield Running(store, workflow, clock)
        finally:
            workflow.close()
    finally:
        store.close()


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Running]:
    with running(postgres_url) as engine:
        engine.do(CreateAOI(AOI))
        yield engine


def rows(url: str, queue: str) -> list[tuple[Any, ...]]:
    """Return all rows of a queue, including locked ones."""
    statement = "SELECT id, data, retry_waits, ran_at, error, run_after <= now() FROM pgq_jobs WHERE queue_name = %s ORDER BY run_after"
    with psycopg.connect(url) as connection:
        return connection.execute(statement, (queue,)).fetchall()


def queued(url: str, kind: ItemKind) -> list[int]:
    return [json.loads(bytes(row[1]))["id"] for row in rows(url, QUEUE[kind])]


def status(engine: Running, kind: ItemKind, number: int) -> str:
    text = document(engine, kind, number)
    assert text is not None
    return str(json.loads(text)["status"])


def test_jobs_have_the_format_of_the_services(engine: Running, postgres_url: str) -> None:
    scene = new("a")
    scene["data"] |= {
        "uuid": "4c0e52b5-c96d-5bfc-b0f0-c78ed9c50d48", "tags": {"relativeOrbit": "7"}, "graph_name": "S1", "graph_config": {"k": "v"}, "record_id": "r",
        "metadata": {"m": 1}, "is_retriable": True, "storage_uri": "gs://æ",
    }  # fmt: skip
    engine.add(AOI, scene, new("b", "a"))
    ((_, data, waits, ran_at, error, is_due), _) = rows(postgres_url, DOWNLOADER)
    assert (waits, ran_at, error, is_due) == (["10m0s"] * 9, None, None, True)
    message = json.loads(bytes(data))
    assert list(message) == ["id", "source_id", "aoi", "data"]
    assert (message["id"], message["source_id"], message["aoi"]) == (1, "a", AOI)
    assert message["data"] == {
        "date": "2022-01-04T10:34:31.024Z", "tiles": {"T32UNG": {"swath_id": "", "tile_nr": 0}}, "graph_name": "S1",
        "graph_config": {"k": "v"}, "record_id": "r", "metadata": {"m": 1}, "is_retriable": True, "storage_uri": "gs://æ",
    }  # fmt: skip
    engine.do(ReportResults([Result(kind=ItemKind.SCENE, id=number, status=Status.DONE) for number in (1, 2)]))
    ((_, data, waits, *_),) = rows(postgres_url, PROCESSOR)
    assert waits == ["1m0s", "10m0s", "30m0s"]
    root = json.loads(bytes(data))
    assert list(root) == ["id", "source_id", "scene", "data", "tile_previous", "tile_reference"]
    assert root["scene"] == message
    assert root["data"] == {"swath_id": "", "tile_nr": 0, "graph_name": "", "is_retriable": False}
    assert root["tile_previous"]["id"] == 0
    assert set(root["tile_previous"]) == set(root["tile_reference"]) == {"id", "source_id", "scene", "data"}
    engine.do(ReportResults([Result(kind=ItemKind.TILE, id=1, status=Status.DONE)]))
    follower = json.loads(bytes(rows(postgres_url, PROCESSOR)[-1][1]))
    assert follower["tile_previous"] == follower["tile_reference"]
    assert follower["tile_previous"] == {key: root[key] for key in ("id", "source_id", "scene", "data")}


def test_jobs_are_queued_in_dispatch_order(engine: Running, postgres_url: str) -> None:
    engine.add(AOI, *(new(f"s{number}") for number in range(30)))
    service = Service(postgres_url)
    ids = []
    while job := service.take(DOWNLOADER):
        ids.append(job["id"])
        service.finish(ItemKind.SCENE, job["id"], "DONE")
    service.die()
    assert ids == list(range(1, 31))
    assert engine.do(DrainResults(100)) == 30
    assert rows(postgres_url, EVENTS) == []
    assert queued(postgres_url, ItemKind.TILE) == list(range(1, 31))


def test_a_refused_command_publishes_no_job(engine: Running, postgres_url: str) -> None:
    engine.add(AOI, new("a"))
    with pytest.raises(SceneExists):
        engine.add(AOI, new("b"), new("a"))
    assert queued(postgres_url, ItemKind.SCENE) == [1]


def test_job_result_and_transition_are_one_transaction(engine: Running, postgres_url: str) -> None:
    engine.add(AOI, new("a"), new("b", "a"))
    service = Service(postgres_url)
    for _ in range(2):
        job = service.take(DOWNLOADER)
        assert job is not None
        service.finish(ItemKind.SCENE, job["id"], "DONE")
    service.die()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        # fails at the commit, after all writes
        connection.execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;
            CREATE CONSTRAINT TRIGGER refusing AFTER INSERT ON workflow_monitor.event DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION refuse()""")
        try:
            with pytest.raises(StoreUnavailable):
                engine.do(DrainResults(10))
            assert len(rows(postgres_url, EVENTS)) == 2
            assert rows(postgres_url, PROCESSOR) == []
            assert status(engine, ItemKind.SCENE, 1) == "PENDING"
        finally:
            connection.execute("DROP TRIGGER refusing ON workflow_monitor.event; DROP FUNCTION refuse")
    assert engine.do(DrainResults(10)) == 2
    assert rows(postgres_url, EVENTS) == []
    assert queued(postgres_url, ItemKind.TILE) == [1]
    assert status(engine, ItemKind.SCENE, 1) == "DONE"


def test_results_are_applied_in_order_and_invalid_messages_are_dropped(
    engine: Running, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine.add(AOI, new("a"), new("b"))
    with psycopg.connect(postgres_url) as connection:
        for event in (
            b"\xff", b"", b"[]", {"type": "scene", "id": 1}, {"type": "scene", "id": 1, "status": 3},
            {"type": "scene", "id": 1, "status": "odd"}, {"type": "scene", "id": 1, "status": "NEW"},
            {"type": "aoi", "id": 1, "status": "DONE"}, {"type": "scene", "status": "DONE"},
            {"type": "scene", "id": 0, "status": "DONE"}, {"type": "scene", "id": 77, "status": "DONE"},
            {"type": "scene", "id": 1, "status": "RETRY", "message": None},
            {"type": "scene", "id": 1, "status": "retry", "message": "twice\x00", "more": 1},
            {"type": "scene", "id": 2, "status": "Done"},
        ):  # fmt: skip
            put(connection, event)
    assert engine.do(DrainResults(100)) == 14
    assert rows(postgres_url, EVENTS) == []
    assert status(engine, ItemKind.SCENE, 1) == "RETRY"
    assert "twice\ufffd" in str(document(engine, ItemKind.SCENE, 1))
    assert status(engine, ItemKind.SCENE, 2) == "DONE"
    assert caplog.text.count("pgqueue_message_invalid") == 10
    assert engine.do(DrainResults(100)) == 0


def test_results_are_drained_in_batches_and_locked_rows_skipped(engine: Running, postgres_url: str) -> None:
    engine.add(AOI, *(new(f"s{number}") for number in range(5)))
    with psycopg.connect(postgres_url) as connection:
        for number in range(1, 6):
            put(connection, {"type": "scene", "id": number, "status": "DONE"})
    holder = Service(postgres_url)
    assert holder.take(EVENTS) == {"type": "scene", "id": 1, "status": "DONE"}
    assert engine.do(DrainResults(2)) == 2
    assert [status(engine, ItemKind.SCENE, number) for number in range(1, 6)] == [
        "PENDING", "DONE", "DONE", "PENDING", "PENDING",
    ]  # fmt: skip
    holder.die()
    assert engine.do(DrainResults(10)) == 3


def test_the_job_of_a_dead_worker_is_unlocked_and_done_once(engine: Running, postgres_url: str) -> None:
    engine.add(AOI, new("a"))
    dead, living = Service(postgres_url), Service(postgres_url)
    assert dead.take(DOWNLOADER) is not None
    assert living.take(DOWNLOADER) is None
    dead.die()
    assert living.wait_for(DOWNLOADER)["source_id"] == "a"
    living.finish(ItemKind.SCENE, 1, "DONE")
    living.die()
    assert engine.do(DrainResults(10)) == 1
    done = [event for event in engine.events() if event.type == "scene" and event.after is Status.DONE]
    assert len(done) == 1
    assert done[0].actor == "tester"


def test_withdrawn_jobs_leave_the_queue_unless_locked(engine: Running, postgres_url: str) -> None:
    engine.add(AOI, new("a"), new("b"), new("c"))
    service = Service(postgres_url)
    assert service.take(DOWNLOADER) is not None
    engine.do(FailItem(ItemKind.SCENE, 2, force=True))
    assert queued(postgres_url, ItemKind.SCENE) == [1, 3]
    engine.do(FailItem(ItemKind.SCENE, 1, force=True))
    assert queued(postgres_url, ItemKind.SCENE) == [1, 3]
    service.finish(ItemKind.SCENE, 1, "DONE")
    assert engine.do(DrainResults(10)) == 1
    assert status(engine, ItemKind.SCENE, 1) == "FAILED", "the late result is ignored"
    assert service.take(DOWNLOADER) is not None
    service.connection.rollback()
    engine.do(DeleteAOI(AOI))
    assert rows(postgres_url, DOWNLOADER) == []
    service.die()


def test_no_job_is_leased_and_earlier_leases_stay_in_force(postgres_url: str) -> None:
    store, clock = open_store(postgres_url), Clock()
    workflow = CommandProcessor(store, LeaseQueue, clock=clock, elapsed=clock.elapsed)
    leasing = Running(store, workflow, clock)
    leasing.do(CreateAOI(AOI))
    leasing.add(AOI, new("a"))
    assert len(leasing.do(LeaseJobs("downloader", 1, 60, "w"))) == 1
    workflow.close()
    store.close()
    with running(postgres_url) as engine:
        assert engine.do(LeaseJobs("downloader", 1, 60, "w")) == []
        assert rows(postgres_url, DOWNLOADER) == []
        engine.clock.seconds = 61
        deadline = time.monotonic() + 240
        while not queued(postgres_url, ItemKind.SCENE):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert engine.do(LeaseJobs("downloader", 1, 60, "w")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [({"event": "x"}, "no option 'event'"), ({"poll": 0}, "above 0"), ({"events": 3}, "Expected `str`, got `int`")],
)
def test_invalid_options_are_rejected(options: dict[str, object], message: str) -> None:
    with pytest.raises(StoreUnavailable, match=message):
        Options.read(options)


def test_another_store_than_postgresql_is_rejected() -> None:
    store = open_store("duckdb:///:memory:")
    try:
        with pytest.raises(StoreUnavailable, match="set store_url to postgresql"):
            CommandProcessor(store, PgQueues())
    finally:
        store.close()


def test_the_services_complete_an_ingestion(postgres_url: str, tmp_path: Path) -> None:
    options = {"downloader": "dl", "poll": 0.2}
    ended = threading.Event()
    tries: Counter[tuple[str, int]] = Counter()

    def work(queue: str, kind: ItemKind) -> None:
        service = Service(postgres_url)
        while not ended.is_set():
            job = service.take(queue)
            if job is None:
                time.sleep(0.05)
                continue
            tries[kind, job["id"]] += 1
            # each job fails once
            done = tries[kind, job["id"]] > 1
            service.finish(kind, job["id"], "DONE" if done else "RETRY", "" if done else "once")
        service.die()

    with (
        live_server(tmp_path, store_url=postgres_url, queue="pgqueue", queue_options=options) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"token {TOKEN}"}, timeout=60) as http,
    ):
        http.post("/aoi/Fyn").raise_for_status()
        previous = None
        for number in range(6):
            scene = {**new(f"s{number}", previous), "aoi": "Fyn"}
            http.post("/aoi/Fyn/scene", json=scene).raise_for_status()
            previous = f"s{number}"
        threads = [
            threading.Thread(target=work, args=args)
            for args in (("dl", ItemKind.SCENE), (PROCESSOR, ItemKind.TILE))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        try:
            deadline = time.monotonic() + 240
            while {tile["status"] for tile in http.get("/aoi/Fyn/tiles").json()} != {"DONE"}:
                assert time.monotonic() < deadline, http.get("/aoi/Fyn").text
                time.sleep(0.2)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        history = http.get("/aoi/Fyn/history").json()
    assert set(tries.values()) == {2}
    assert len(tries) == 12
    assert {event["who"] for event in history if event["to"] == "DONE"} == {"pgqueue"}

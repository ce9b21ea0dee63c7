"""Group commit: commands sent together run in order, each on its own, and share a transaction."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from tests.engine_harness import Running, differences, ingestion, running
from tests.reference_model import DONE, FAILED, NEW, PENDING, RETRY, SCENE, TILE, Key, Link, NewScene
from workflow_monitor.domain.commands import (
    Command,
    CreateAOI,
    DeleteAOI,
    FailItem,
    ForceStatus,
    LeaseJobs,
    ReportResults,
    RetryAOI,
    RetryItem,
)
from workflow_monitor.domain.errors import AOINotFound, Conflict, InvalidInput, InvalidTransition, SceneExists
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.engine import command_processor
from workflow_monitor.store.duckdb.connection import MANY
from workflow_monitor.testing.engine_harness import START

ROOT = Link("A", "tile")
A = NewScene("A", 0, {"tile": None})
B = NewScene("B", 0, {"tile": (ROOT, ROOT)})
C = NewScene("C", 0, {"tile": (Link("B", "tile"), ROOT)})


@pytest.fixture
def engine() -> Iterator[Running]:
    with running() as engine:
        engine.do(CreateAOI("Denmark"))
        yield engine


def at_once(engine: Running, *commands: Command) -> list[Future[Any]]:
    """Send commands in one batch, and wait for all."""
    with engine.clock.holding():
        engine.send(LeaseJobs("downloader", 0, 1, ""))  # at which the writer waits for the clock
        futures = [engine.send(command) for command in commands]
    for future in futures:
        future.exception(30)
    return futures


def result(kind: ItemKind, number: int, status: Status, attempt: int | None = None) -> Result:
    return Result(kind=kind, id=number, status=status, attempt=attempt)


def statuses(engine: Running) -> list[Status]:
    """Of the scenes, then of the tiles."""
    return [item.status for _, item in sorted(engine.snapshot().items.items())]


def test_concurrent_commands_share_a_transaction(engine: Running) -> None:
    transactions: list[Sequence[object]] = []
    engine.workflow._on_commit = transactions.append
    at_once(
        engine,
        ingestion("Denmark", [A]),
        ReportResults([result(SCENE, 1, DONE)]),
        ReportResults([result(TILE, 1, DONE)]),
    )
    # the first is that of the command for which the writer waited
    assert [len(events) for events in transactions if events] == [5]


def test_a_client_that_sends_again_joins_the_next_batch(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_processor, "MAX_BATCH_DELAY", 60)
    events_of: list[int] = []

    def take_long(events: Sequence[object]) -> None:
        events_of.append(len(events))
        time.sleep(1)

    engine.workflow._on_commit = take_long
    first = engine.send(ingestion("Denmark", [A]))
    while not events_of:
        time.sleep(0.01)
    waiting = engine.send(ingestion("Denmark", [B]))
    first.result(30)
    time.sleep(0.1)
    again = engine.send(ingestion("Denmark", [C]))
    waiting.result(30)
    again.result(30)
    assert events_of == [2, 4]


def test_no_command_waits_long_after_a_long_transaction(engine: Running) -> None:
    began = threading.Event()

    def take_long(_: Sequence[object]) -> None:
        if not began.is_set():
            began.set()
            time.sleep(4)

    engine.workflow._on_commit = take_long
    first = engine.send(ingestion("Denmark", [A]))
    assert began.wait(30)
    waiting = engine.send(ingestion("Denmark", [B]))
    first.result(30)
    # half of the four seconds would be too long
    waiting.result(1.5)


def test_a_command_that_is_refused_leaves_the_others_alone(engine: Running) -> None:
    first, lost, again, unknown, last = at_once(
        engine,
        ingestion("Denmark", [A]),
        ingestion("Denmark", [C]),
        ingestion("Denmark", [A]),
        ingestion("Greenland", [A]),
        ingestion("Denmark", [B]),
    )
    assert len(first.result().added) == len(last.result().added) == 1
    assert isinstance(lost.exception(), InvalidInput)
    error = again.exception()
    assert isinstance(error, SceneExists)
    assert error.ids == first.result().added
    assert isinstance(unknown.exception(), AOINotFound)
    assert [item.name for item in engine.snapshot().items.values() if item.kind is SCENE] == ["A", "B"]


def test_existing_scenes_are_skipped_and_new_ones_link_to_their_tiles(engine: Running) -> None:
    (first_id,) = engine.ingest("Denmark", A)
    engine.do(ReportResults([result(SCENE, first_id, DONE)]))
    with_another_tile = dataclasses.replace(A, tiles={"other": None})
    second, third = at_once(
        engine,
        ingestion("Denmark", [with_another_tile, B], skip_existing=True),
        ingestion("Denmark", [A, B], skip_existing=True),
    )
    outcome = second.result()
    assert (list(outcome.added), outcome.tiles, outcome.existing) == (["B"], len(B.tiles), {"A": first_id})
    repeated = third.result()
    assert (repeated.added, repeated.tiles) == ({}, 0)
    assert repeated.existing == {"A": first_id, **outcome.added}
    items = engine.snapshot().items
    assert items[Key(SCENE, first_id)].status is DONE
    assert sum(item.kind is SCENE for item in items.values()) == 2
    assert sum(item.kind is TILE for item in items.values()) == len(A.tiles) + len(B.tiles)


def test_results_reach_what_was_ingested_in_the_same_batch(engine: Running) -> None:
    *_, report = at_once(
        engine,
        ingestion("Denmark", [A, B]),
        ingestion("Denmark", [C]),
        ReportResults(
            [result(SCENE, number, DONE) for number in (3, 2, 1)] + [result(TILE, number, DONE) for number in (1, 2)]
        ),
    )
    assert [outcome.code for outcome in report.result()] == ["applied"] * 5
    assert statuses(engine) == [DONE] * 3 + [DONE, DONE, PENDING]


def test_jobs_that_were_overtaken_in_their_batch_are_not_leased(engine: Running) -> None:
    at_once(
        engine,
        ingestion("Denmark", [A, B]),
        ForceStatus(SCENE, 1, RETRY),
        RetryItem(SCENE, 1),
        ForceStatus(SCENE, 2, NEW),
    )
    jobs = engine.do(LeaseJobs("downloader", 10, 60, "worker"))
    assert [job.attempt for job in jobs] == [2]
    assert engine.store.reader.backlog(SCENE) == (0, 1)


def test_a_lease_takes_jobs_of_its_own_batch(engine: Running) -> None:
    _, early, _, late = at_once(
        engine,
        ingestion("Denmark", [A, B]),
        LeaseJobs("downloader", 1, 60, "early"),
        ReportResults([result(SCENE, 2, FAILED)]),
        LeaseJobs("downloader", 5, 60, "late"),
    )
    assert len(early.result()) == 1
    assert late.result() == []


def test_the_job_of_an_aoi_of_its_own_batch_names_it(engine: Running) -> None:
    transactions: list[Sequence[object]] = []
    engine.workflow._on_commit = transactions.append
    *_, lease = at_once(engine, CreateAOI("Norge"), ingestion("Norge", [A]), LeaseJobs("downloader", 1, 60, "w"))
    (job,) = lease.result()
    assert json.loads(job.payload)["aoi"] == "Norge"
    assert len([events for events in transactions if events]) == 1


def test_a_result_counts_once_however_often_it_is_sent(engine: Running) -> None:
    engine.ingest("Denmark", A)
    done = result(SCENE, 1, DONE, attempt=1)
    one, other = at_once(engine, ReportResults([done, done]), ReportResults([done]))
    assert [outcome.code for outcome in one.result() + other.result()] == ["applied", "unchanged", "unchanged"]
    assert engine.snapshot().items[Key(TILE, 1)].attempt == 1


def test_late_results_are_stale(engine: Running) -> None:
    engine.ingest("Denmark", A)
    _, report = at_once(engine, ForceStatus(SCENE, 1, PENDING), ReportResults([result(SCENE, 1, FAILED, attempt=1)]))
    (outcome,) = report.result()
    assert (outcome.code, outcome.status) == ("stale", PENDING)
    assert statuses(engine) == [PENDING, NEW]


def test_a_scene_that_cannot_fail_keeps_all_its_tiles(engine: Running) -> None:
    two = NewScene("two", 0, {"one": None, "other": (Link("two", "one"), Link("two", "one"))})
    engine.ingest("Denmark", two)
    fail, _ = at_once(engine, ReportResults([result(SCENE, 1, DONE)]), FailItem(SCENE, 1, force=True))
    assert [outcome.code for outcome in fail.result()] == ["applied"]
    before = engine.snapshot()
    assert before.items[Key(TILE, 1)].status is PENDING
    (refused,) = at_once(engine, FailItem(SCENE, 1, force=True))
    assert isinstance(refused.exception(), InvalidTransition)
    assert engine.snapshot() == before


def test_retry_of_an_aoi_is_all_or_nothing(engine: Running) -> None:
    engine.ingest("Denmark", A, B)
    at_once(
        engine,
        ReportResults([result(SCENE, 1, DONE), result(SCENE, 1, DONE)]),
        ReportResults([result(SCENE, 2, RETRY)]),
    )
    engine.do(ForceStatus(TILE, 2, RETRY))  # its previous tile is not DONE
    before = engine.snapshot()
    refused, created = at_once(engine, RetryAOI("Denmark"), CreateAOI("Greenland"))
    assert isinstance(refused.exception(), InvalidTransition)
    assert created.exception() is None
    after = engine.snapshot()
    assert after._replace(aois=before.aois) == before
    assert after.aois.keys() == {"Denmark", "Greenland"}


def test_an_aoi_can_be_deleted_and_created_again_in_one_batch(engine: Running) -> None:
    engine.ingest("Denmark", A)
    *_, again, report, ingested = at_once(
        engine,
        ingestion("Denmark", [B]),
        DeleteAOI("Denmark"),
        CreateAOI("Denmark"),
        ReportResults([result(SCENE, 1, DONE), result(SCENE, 2, DONE)]),
        ingestion("Denmark", [A]),
    )
    assert again.exception() is None
    assert [outcome.code for outcome in report.result()] == ["unknown", "unknown"]
    (scene_id,) = ingested.result().added.values()
    snapshot = engine.snapshot()
    assert [key for key in snapshot.items if key.kind is SCENE] == [Key(SCENE, scene_id)]
    assert {job.item for job in snapshot.current} == {scene_id}
    assert snapshot.aois["Denmark"][1:] == ({PENDING: 1}, {NEW: 1}, {})


def test_nothing_follows_what_fails_in_the_same_batch(engine: Running) -> None:
    *_, linked = at_once(
        engine, ingestion("Denmark", [A]), ReportResults([result(SCENE, 1, FAILED)]), ingestion("Denmark", [B])
    )
    assert type(linked.exception()) is Conflict
    assert statuses(engine) == [FAILED, FAILED]


def test_a_long_chain_goes_through_in_one_report(engine: Running) -> None:
    length = 200
    scenes = [NewScene("0", 0, {"tile": None})]
    scenes += [NewScene(str(n), 0, {"tile": (Link(str(n - 1), "tile"), Link("0", "tile"))}) for n in range(1, length)]
    _, report = at_once(
        engine,
        ingestion("Denmark", scenes),
        ReportResults([result(kind, number + 1, DONE) for kind in ItemKind for number in range(length)]),
    )
    assert {outcome.code for outcome in report.result()} == {"applied"}
    assert statuses(engine) == [DONE] * 2 * length


def test_workers_that_ask_at_once_get_jobs_in_the_order_in_which_they_asked(engine: Running) -> None:
    scenes = engine.ingest("Denmark", *[NewScene(f"S{number}", 0, {"tile": None}) for number in range(4)])
    commands = (
        LeaseJobs("downloader", 1, 10, "a"),
        LeaseJobs("processor", 5, 10, "b"),
        LeaseJobs("downloader", 5, 20, "c"),
    )
    *leases, report = at_once(engine, *commands, ReportResults([result(SCENE, scenes[1], DONE)]))
    first, tile, rest = (future.result() for future in leases)
    assert report.result()[0].status is DONE
    ids = [[json.loads(job.payload)["id"] for job in jobs] for jobs in (first, tile, rest)]
    assert ids == [scenes[:1], [2], scenes[2:]]
    assert [(job.expires - START).total_seconds() for job in (*first, *tile, *rest)] == [10, 10, 20, 20]
    rows = [row for kind in ItemKind for rows in engine.store.reader.jobs(kind, "leased", None) for row in rows]
    leases_by_id = {job.id: job.lease for job in (*first, *tile, *rest)}
    assert {row.id: row.lease for row in rows} == leases_by_id
    assert Counter(row.worker for row in rows) == {"a": 1, "b": 1, "c": 2}


def test_large_and_small_batches_store_the_same_state() -> None:
    """The store writes 300 rows and more as Arrow columns."""
    scenes = [NewScene(f"S{number}", number % 3, {"tile": _after(number), "other": None}) for number in range(2 * MANY)]
    states = []
    for size in (len(scenes), 7):
        with running() as engine:
            engine.do(CreateAOI("Denmark"))
            for start in range(0, len(scenes), size):
                engine.ingest("Denmark", *scenes[start : start + size])
            for start in range(0, len(scenes), size):
                of_part = range(start, min(start + size, len(scenes)))
                engine.do(
                    ReportResults([result(SCENE, number + 1, RETRY if number % 5 == 0 else DONE) for number in of_part])
                )
            events = Counter(
                (event.type, event.id, event.before, event.after, event.cause) for event in engine.events()
            )
            states.append((engine.snapshot(), events))
    assert differences(states[0][0], states[1][0]) == []
    assert states[0][1] == states[1][1]


def _after(number: int) -> tuple[Link, Link] | None:
    return (Link(f"S{number - 1}", "tile"), Link("S0", "tile")) if number else None

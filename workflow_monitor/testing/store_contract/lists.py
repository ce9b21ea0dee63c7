"""Lists of scenes, tiles, jobs and events."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, FailItem, ForceStatus, LeaseJobs
from workflow_monitor.domain.failures import FailedScene
from workflow_monitor.domain.models import GraphExtent, LeaseGrant, Page
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing.engine_harness import (
    AOI,
    START,
    Running,
    document,
    engine_on,
    ingest,
    items,
    new,
    numbers,
    report,
    texts,
)
from workflow_monitor.testing.store_contract.contract import StoreContractBase


class ListContract(StoreContractBase):
    """Lists of scenes, tiles, jobs and events."""

    def test_items_are_listed_by_status_and_aoi_in_the_order_of_their_ids(self, engine: Running) -> None:
        engine.do(CreateAOI("Norway"))
        ingest(engine, 4)
        engine.add("Norway", new("n"))
        report(engine, ItemKind.SCENE, Status.DONE, 3, 1)
        engine.do(ForceStatus(ItemKind.SCENE, 2, Status.RETRY))
        assert items(engine) == [1, 2, 3, 4, 5]
        assert items(engine, ItemKind.SCENE, Status.DONE) == [1, 3]
        assert items(engine, ItemKind.SCENE, Status.RETRY, Status.DONE) == [1, 2, 3]
        assert items(engine, ItemKind.TILE, Status.PENDING) == [1, 3]
        assert items(engine, ItemKind.SCENE, Status.FAILED) == []
        read = engine.store.reader.items
        assert numbers(read(ItemKind.SCENE, [2], tuple(Status), None, "document")) == [5]
        assert numbers(read(ItemKind.SCENE, [], tuple(Status), None, "document")) == []
        assert list(read(ItemKind.SCENE, [99], tuple(Status), None, "document")) == []

    def test_failures_name_the_scene_with_which_a_tile_failed(self, engine: Running) -> None:
        ingest(engine, 2)
        report(engine, ItemKind.SCENE, Status.FAILED, 1, message="withdrawn")
        engine.do(ForceStatus(ItemKind.TILE, 2, Status.FAILED))
        (aoi,) = engine.store.reader.aois()
        failures = engine.store.reader.failures(aoi.id, None)
        scene = FailedScene(1, Status.FAILED, "withdrawn")
        assert [(item.kind, item.id, item.message, item.failed_with) for item in failures] == [
            (ItemKind.SCENE, 1, "withdrawn", None),
            (ItemKind.TILE, 1, "", scene),
            (ItemKind.TILE, 2, "", None),
        ]
        assert all(item.since is not None for item in failures)
        engine.do(ForceStatus(ItemKind.SCENE, 1, Status.DONE))
        first, _ = engine.store.reader.failures(aoi.id, None)
        assert first.failed_with == FailedScene(1, Status.DONE, "")

    def test_pages_add_up_to_the_list(self, engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shorten(monkeypatch, 3)
        ingest(engine, 23)
        report(engine, ItemKind.SCENE, Status.DONE, *range(1, 24, 2))
        for limit in (1, 3, 4, 23, 100):
            pages = [
                items(engine, ItemKind.SCENE, Status.DONE, page=Page(number, limit))
                for number in range(24 // limit + 1)
            ]
            assert [number for page in pages for number in page] == list(range(1, 24, 2))
            assert {len(page) for page in pages[:-1] if page} <= {limit, 12 % limit}
        assert items(engine, page=Page(2**62, 2**62)) == []
        assert items(engine, page=Page(0, 2**63 - 1)) == list(range(1, 24))

    def test_long_lists_come_in_chunks(self, engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shorten(monkeypatch, 4)
        ingest(engine, 10)
        lengths = [
            len(chunk) for chunk in engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "document")
        ]
        assert lengths == [4, 4, 2]
        assert [len(chunk) for chunk in engine.store.reader.jobs(ItemKind.SCENE, "", None)] == [4, 4, 2]
        assert [len(chunk) for chunk in engine.store.reader.root_tiles(1, "short")] == [4, 4, 2]

    def test_missing_ids(self, engine: Running) -> None:
        for number in (0, -1, 7, 2**63 - 1):
            assert document(engine, ItemKind.SCENE, number) is None
            assert engine.store.reader.feature(ItemKind.TILE, number) is None
            assert not engine.store.reader.has_scene(number)
            assert list(engine.store.reader.tiles_of(number, "document")) == []

    def test_roots_and_leaves(self, engine: Running) -> None:
        engine.add(AOI, new("a"), new("b", "a"), new("c", "b"), new("alone"), new("failed"))
        report(engine, ItemKind.SCENE, Status.FAILED, 5)
        assert numbers(engine.store.reader.root_tiles(1, "short")) == [1, 4]
        assert numbers(engine.store.reader.leaf_tiles(1, "short")) == [3, 4]
        (root, _) = texts(engine.store.reader.root_tiles(1, "short"))
        assert list(root) == ["id", "source_id", "scene", "data"]
        moment = START.replace(hour=10, minute=34, second=31, microsecond=24_000)
        assert engine.store.reader.roots(1) == GraphExtent(2, moment, moment)
        report(engine, ItemKind.SCENE, Status.FAILED, 1)
        assert numbers(engine.store.reader.root_tiles(1, "short")) == [2, 4]
        report(engine, ItemKind.SCENE, Status.FAILED, 3)
        assert numbers(engine.store.reader.leaf_tiles(1, "short")) == [2, 4]
        assert engine.store.reader.roots(99) == GraphExtent(0, None, None)

    @pytest.mark.parametrize("kind", list(ItemKind))
    def test_arrow_batches_equal_the_documents(
        self, engine: Running, kind: ItemKind, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.shorten(monkeypatch, 3)
        engine.add(AOI, new("a"), new("b", "a"), new("c", "b"))
        ingest(engine, 5)
        report(engine, ItemKind.SCENE, Status.RETRY, 1, message="again")
        batches = list(engine.store.reader.arrow(kind, [1], tuple(Status), None))
        assert {str(batch.schema) for batch in batches} == {str(batches[0].schema)}
        rows = [row for batch in batches for row in batch.to_pylist()]
        documents = texts(engine.store.reader.items(kind, [1], tuple(Status), None, "document"))
        for row, shown in zip(rows, documents, strict=True):
            for key in set(row) & set(shown) - {"scene", "aoi", "data", "date"}:
                assert row[key] == shown[key], key
            assert json.loads(row["data"]) == shown["data"]
            assert row["aoi"] == AOI
        if kind is ItemKind.TILE:
            assert [row["scene"] for row in rows] == [document["scene"]["id"] for document in documents]

    @pytest.mark.parametrize("kind", list(ItemKind))
    def test_arrow_has_a_schema_also_without_rows(self, engine: Running, kind: ItemKind) -> None:
        empty = list(engine.store.reader.arrow(kind, [1], tuple(Status), None))
        ingest(engine, 2)
        full = list(engine.store.reader.arrow(kind, [1], tuple(Status), None))
        assert [batch.num_rows for batch in (*empty, *full)] == [0, 2]
        assert empty[0].schema.equals(full[0].schema, check_metadata=True)

    def test_jobs_are_leased_in_order_and_stay_queued_after_a_rollback(self, open_store: Callable[[], Store]) -> None:
        with engine_on(open_store()) as engine:
            for name in (AOI, "Norway"):
                engine.do(CreateAOI(name))
            ingest(engine, 2)
            engine.add("Norway", new("n"))
            engine.add(AOI, *[new(f"later{index}") for index in range(3)])
        store = open_store()

        def lease(name: str, number: int, aois: list[int] | None = None) -> list[int]:
            offers = [LeaseGrant(f"{name}{index}", "w", START + timedelta(seconds=9)) for index in range(number)]
            return [json.loads(job.payload)["id"] for job in store.writer.lease(ItemKind.SCENE, offers, aois)]

        with suppress(RuntimeError), store.writer.transaction():
            assert lease("lost", 2) == [1, 2]
            raise RuntimeError
        with store.writer.transaction():
            assert lease("norway", 9, [2]) == [3]
        with store.writer.transaction():
            assert [lease("one", 1), lease("denmark", 1, [1]), lease("two", 2), lease("rest", 9)] == [
                [1],
                [2],
                [4, 5],
                [6],
            ]
        store.close()

    def test_jobs_are_listed_by_state(self, engine: Running) -> None:
        ingest(engine, 5)
        engine.do(LeaseJobs("downloader", 2, 100, "w"))
        report(engine, ItemKind.SCENE, Status.DONE, 1)
        engine.do(FailItem(ItemKind.SCENE, 4, force=True))

        def listed(state: str, page: Page | None = None) -> list[int]:
            rows = [row for chunk in engine.store.reader.jobs(ItemKind.SCENE, state, page) for row in chunk]
            assert [row.id for row in rows] == sorted(row.id for row in rows)
            return [json.loads(row.message)["id"] for row in rows]

        assert listed("leased") == [2]
        assert listed("queued") == [3, 4, 5], "including a withdrawn job that was never leased"
        assert listed("") == [2, 3, 5]
        assert engine.store.reader.backlog(ItemKind.SCENE) == (2, 1)
        assert listed("", Page(1, 2)) == [5]
        (row,) = [row for chunk in engine.store.reader.jobs(ItemKind.SCENE, "queued", Page(1, 1)) for row in chunk]
        assert (row.withdrawn, row.published, row.attempt) == (START, START, 1)

    def test_the_job_of_a_tile_names_its_scene_previous_and_reference(self, engine: Running) -> None:
        engine.add(AOI, new("a"), new("b", "a"))
        report(engine, ItemKind.SCENE, Status.DONE, 1, 2)
        first, *_ = [row for chunk in engine.store.reader.jobs(ItemKind.TILE, "", None) for row in chunk]
        root = json.loads(first.message)
        assert list(root) == ["id", "source_id", "scene", "data", "tile_previous", "tile_reference"]
        assert root["scene"]["source_id"] == "a"
        assert root["tile_previous"] == root["tile_reference"]
        assert root["tile_previous"]["id"] == 0
        assert root["tile_previous"]["scene"]["data"]["date"] == "0001-01-01T00:00:00Z"
        report(engine, ItemKind.TILE, Status.DONE, 1)
        (row,) = [row for chunk in engine.store.reader.jobs(ItemKind.TILE, "", None) for row in chunk]
        follower = json.loads(row.message)
        assert follower["tile_previous"] == follower["tile_reference"]
        assert follower["tile_previous"] == {key: root[key] for key in ("id", "source_id", "scene", "data")}

    def test_a_live_job_shows_the_present_links_of_its_tile(self, engine: Running) -> None:
        other = new("c", "b")
        other["tiles"]["T32UNG"]["reference_scene_id"] = "a"
        engine.add(AOI, new("a"), new("b"), other)
        report(engine, ItemKind.SCENE, Status.DONE, 1, 2, 3)
        report(engine, ItemKind.TILE, Status.DONE, 2)

        def links() -> list[tuple[int, int]]:
            rows = [row for chunk in engine.store.reader.jobs(ItemKind.TILE, "queued", None, 3) for row in chunk]
            messages = [json.loads(row.message) for row in rows]
            return [(message["tile_previous"]["id"], message["tile_reference"]["id"]) for message in messages]

        assert links() == [(2, 1)]
        engine.do(FailItem(ItemKind.TILE, 1, force=True))
        assert links() == [(2, 0)]
        engine.do(ForceStatus(ItemKind.TILE, 3, Status.DONE))
        assert links() == [(2, 1)], "a withdrawn job keeps the links of its dispatch"

    def test_events_are_read_after_a_number_and_by_aoi(self, engine: Running) -> None:
        assert engine.store.reader.event_bounds() == (1, 1)
        engine.do(CreateAOI("Norway"))
        ingest(engine, 1)
        engine.add("Norway", new("n"))
        events = engine.store.reader.events(0, None, 100)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert engine.store.reader.event_bounds() == (1, len(events))
        assert engine.store.reader.events(2, None, 2) == events[2:4]
        assert engine.store.reader.events(len(events), None, 10) == []
        assert [event.aoi for event in engine.store.reader.events(2, 2, 10)] == ["Norway", "Norway"]
        assert events[0].cause is Cause.CREATE
        assert {event.actor for event in events} == {"tester"}

    def test_a_deleted_aoi_leaves_two_events(self, engine: Running) -> None:
        ingest(engine, 2)
        engine.do(DeleteAOI(AOI))
        events = engine.store.reader.events(0, None, 100)
        assert [(event.aoi, event.type, event.cause) for event in events] == [
            (AOI, "aoi", Cause.CREATE),
            (AOI, "aoi", Cause.DELETE),
        ]
        assert list(engine.store.reader.history(1, None, None, "scene", None, None, None)) == []

    def test_the_history_is_filtered(self, engine: Running) -> None:
        ingest(engine, 2)
        for moment, status in enumerate((Status.RETRY, Status.RETRY, Status.DONE), start=1):
            engine.clock.seconds = moment
            report(engine, ItemKind.SCENE, status, 1)

        def history(**filters: Any) -> list[tuple[str, int, Any]]:
            names = ("since", "until", "kind", "item", "status", "page")
            chunks = engine.store.reader.history(1, *(filters.get(name) for name in names))
            return [(event.type, event.id, event.after) for chunk in chunks for event in chunk]

        everything = history()
        assert len(everything) == 9
        of_scene = [("scene", 1, s) for s in (Status.PENDING, Status.PENDING, Status.RETRY, Status.DONE)]
        assert history(kind="scene", item=1) == of_scene
        assert history(kind="tile", item=1)[0] == ("tile", 1, Status.NEW)
        assert history(since=START + timedelta(seconds=2), until=START + timedelta(seconds=3)) == of_scene[2:3]
        assert history(until=START + timedelta(seconds=1)) == everything[:5]
        assert history(status=Status.DONE) == of_scene[3:]
        assert history(page=Page(1, 3)) == everything[3:6]
        assert history(kind="aoi") == [("aoi", 1, Status.NEW)]
        assert list(engine.store.reader.history(99, None, None, None, None, None, None)) == []

"""AOIs, their counts, and ids."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.domain.commands import (
    Command,
    CreateAOI,
    DeleteAOI,
    FailItem,
    ForceStatus,
    Ingest,
    PruneHistory,
    ReportResults,
    SetData,
)
from workflow_monitor.domain.models import AOI, GraphExtent, Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing.engine_harness import AOI as NAME
from workflow_monitor.testing.engine_harness import START, Running, chain, engine_on, ingest, new
from workflow_monitor.testing.store_contract.contract import StoreContractBase

CHANGES: list[Command] = [
    FailItem(ItemKind.TILE, 3, force=True),
    ForceStatus(ItemKind.TILE, 2, Status.FAILED),
    ForceStatus(ItemKind.TILE, 3, Status.PENDING),
    ReportResults([Result(kind=ItemKind.SCENE, id=1, status=Status.DONE)]),
    SetData(ItemKind.SCENE, 1, {"date": "2030-01-01T00:00:00Z"}, merge=True),
    FailItem(ItemKind.SCENE, 4, force=True),
    Ingest(NAME, [parse_scene({**new("late"), "aoi": NAME}, NAME)]),
    CreateAOI("Als"),
    DeleteAOI(NAME),
]


def seen(engine: Running) -> list[tuple[AOI, GraphExtent]]:
    """Return the AOIs with their graph extents, without statuses that have no items."""
    reader = engine.store.reader
    extents = [(aoi, reader.roots(aoi.id)) for aoi in reader.aois()]
    return [
        (AOI(aoi.id, aoi.name, +aoi.scenes, +aoi.tiles, +aoi.tiles_of_done_scenes), roots) for aoi, roots in extents
    ]


def day(number: int) -> str:
    """Return a date that grows with `number`."""
    return f"{2000 + number // 12}-{1 + number % 12:02}-01T00:00:00+00:00"


class AOIContract(StoreContractBase):
    """AOI counts equal the stored items, and no id is used twice."""

    def test_aois_are_equal_after_a_reopen(self, open_store: Callable[[], Store]) -> None:
        with engine_on(open_store()) as engine:
            engine.do(CreateAOI(NAME))
            engine.add(NAME, *chain(4))
        for change in CHANGES:
            with engine_on(open_store()) as engine:
                before = seen(engine)
                engine.do(change)
                after = seen(engine)
            with engine_on(open_store()) as engine:
                assert seen(engine) == after
            assert before != after or isinstance(change, ReportResults)

    def test_aois_are_listed_by_name(self, engine: Running) -> None:
        for name in ("b", "Århus", "a", "B", "_", "ö 1"):
            engine.do(CreateAOI(name))
        names = [aoi.name for aoi in engine.store.reader.aois()]
        assert names == sorted(names)
        assert engine.store.reader.aoi("b") == AOI(2, "b")
        assert engine.store.reader.aoi("c") is None

    def test_uncommitted_changes_are_invisible(self, engine: Running) -> None:
        before = seen(engine)
        writer = engine.store.writer
        engine.workflow.close()
        with suppress(ZeroDivisionError), writer.transaction():
            writer.create_aoi(7, "Fyn", START)
            writer.delete_aoi(1)
            raise ZeroDivisionError
        assert seen(engine) == before
        assert engine.store.reader.aoi("Fyn") is None

    def test_the_last_leaf_is_found_before_many_failed_tiles(self, engine: Running) -> None:
        scenes = engine.add(NAME, *chain(130))
        for number in scenes:
            engine.do(SetData(ItemKind.SCENE, number, {"date": day(number)}, merge=True))
        assert engine.store.reader.roots(1).last == datetime.fromisoformat(day(130))
        for number in scenes[1:]:
            engine.do(FailItem(ItemKind.TILE, number, force=True))
        first = datetime.fromisoformat(day(1))
        assert engine.store.reader.roots(1) == GraphExtent(1, first, first)

    def test_ids_of_deleted_and_pruned_rows_are_not_reused(self, open_store: Callable[[], Store]) -> None:
        with engine_on(open_store()) as engine:
            engine.do(CreateAOI(NAME))
            ingest(engine, 20)
            last = engine.events()[-1].seq
            engine.do(DeleteAOI(NAME))
            engine.clock.seconds += 10
            engine.do(PruneHistory(0, 0))
            assert engine.events() == []
        with engine_on(open_store()) as engine:
            engine.do(CreateAOI(NAME))
            assert engine.add(NAME, new("again")) == [21]
            assert min(event.seq for event in engine.events()) > last

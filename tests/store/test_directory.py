"""What is kept in memory of the AOIs is what the database would say."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from tests.model import Link, NewScene
from tests.on_disk import running_on
from tests.running import START, Running
from workflow_monitor.domain.commands import Command, CreateAOI, DeleteAOI, Fail, Force, Report, SetData
from workflow_monitor.domain.model import AOI, Result, Roots
from workflow_monitor.domain.status import Kind, Status

NAME = "Denmark"
CHANGES: list[Command] = [
    Fail(Kind.TILE, 3, force=True),
    Force(Kind.TILE, 2, Status.FAILED),
    Force(Kind.TILE, 3, Status.PENDING),
    Report([Result(kind=Kind.SCENE, id=1, status=Status.DONE)]),
    SetData(Kind.SCENE, 1, {"date": "2030-01-01T00:00:00Z"}, merge=True),
    Fail(Kind.SCENE, 4, force=True),
    CreateAOI("Als"),
    DeleteAOI(NAME),
]


def seen(engine: Running) -> list[tuple[AOI, Roots]]:
    """The AOIs as any request sees them, without the statuses that nothing is in."""
    reader = engine.store.reader
    found = [(aoi, reader.roots(aoi.id)) for aoi in reader.aois()]
    return [(AOI(aoi.id, aoi.name, +aoi.scenes, +aoi.tiles, +aoi.tiles_of_done_scenes), roots) for aoi, roots in found]


def test_it_is_the_same_after_the_store_was_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "workflow.duckdb"
    with running_on(path) as engine:
        engine.do(CreateAOI(NAME))
        engine.ingest(NAME, *chain(4))
    for change in CHANGES:
        with running_on(path) as engine:
            before = seen(engine)
            engine.do(change)
            after = seen(engine)
        with running_on(path) as engine:
            assert seen(engine) == after
        assert before != after or isinstance(change, Report)


def test_what_is_not_committed_is_not_seen(tmp_path: Path) -> None:
    with running_on(tmp_path / "workflow.duckdb") as engine:
        engine.do(CreateAOI(NAME))
        before = seen(engine)
        writer = engine.store.writer
        engine.workflow.close()
        with suppress(ZeroDivisionError), writer.transaction():
            writer.create_aoi(7, "Fyn", START)
            writer.delete_aoi(1)
            raise ZeroDivisionError
        assert seen(engine) == before
        assert engine.store.reader.aoi("Fyn") is None


def test_the_last_leaf_is_found_behind_many_that_failed(tmp_path: Path) -> None:
    with running_on(tmp_path / "workflow.duckdb") as engine:
        engine.do(CreateAOI(NAME))
        scenes = engine.ingest(NAME, *chain(130))
        for number in scenes:
            engine.do(SetData(Kind.SCENE, number, {"date": day(number)}, merge=True))
        assert engine.store.reader.roots(1).last == datetime.fromisoformat(day(130))
        for number in scenes[1:]:
            engine.do(Fail(Kind.TILE, number, force=True))
        first = datetime.fromisoformat(day(1))
        assert engine.store.reader.roots(1) == Roots(1, first, first)


def day(number: int) -> str:
    """A date that is later for greater numbers."""
    return f"{2000 + number // 12}-{1 + number % 12:02}-01T00:00:00+00:00"


def chain(number: int) -> list[NewScene]:
    """Scenes of one tile, each after the one before."""
    links = [None, *((Link(f"s{index}", "T"),) * 2 for index in range(number - 1))]
    return [NewScene(f"s{index}", 1, {"T": link}) for index, link in enumerate(links)]

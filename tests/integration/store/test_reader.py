from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.store import graph_reader, open_store, reader
from workflow_monitor.testing.engine_harness import AOI, Running, engine_on, ingest


@pytest.fixture
def engine() -> Iterator[Running]:
    with engine_on(open_store("duckdb:///:memory:")) as engine:
        engine.do(CreateAOI(AOI))
        yield engine


def cursors(engine: Running, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the open cursors; the only element of the list is the present count."""
    count, open_cursor = [0], engine.store.reader._source._open_cursor  # type: ignore[attr-defined]

    class Counted:
        def __enter__(self) -> Any:
            self.cursor = open_cursor()
            count[0] += 1
            return self.cursor.__enter__()

        def __exit__(self, *error: object) -> Any:
            count[0] -= 1
            return self.cursor.__exit__(*error)

    monkeypatch.setattr(engine.store.reader._source, "_open_cursor", Counted)  # type: ignore[attr-defined]
    return count


def test_a_list_that_is_closed_early_closes_its_cursor(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 2)
    monkeypatch.setattr(graph_reader, "CHUNK", 2)
    ingest(engine, 10)
    count, read = cursors(engine, monkeypatch), engine.store.reader
    lists: list[Any] = [
        read.items(ItemKind.SCENE, [1], tuple(Status), None, "document"),
        read.tiles_of(1, "document"),
        read.leaf_tiles(1, "short"),
        read.jobs(ItemKind.SCENE, "", None),
        read.history(1, None, None, None, None, None, None),
        read.arrow(ItemKind.TILE, [1], tuple(Status), None),
    ]
    for chunks in lists:
        next(chunks)
    assert count == [len(lists)]
    for chunks in lists:
        chunks.close()
    assert count == [0]
    abandoned = read.leaf_tiles(1, "short")
    next(abandoned)
    del abandoned
    gc.collect()
    assert count == [0]
    # an open snapshot would prevent a checkpoint
    with engine.store.reader._source._open_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("CHECKPOINT")

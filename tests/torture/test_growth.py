"""Pruned rows free their space: the file of a store with a constant amount of data does not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from tests.disk_harness import running_on
from tests.engine_harness import Running
from tests.invariants import unsound_in
from tests.reference_model import NewScene
from tests.scale import effort
from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, LeaseJobs, PruneHistory, ReportResults, RetryAOI
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status

DAY = 86_400.0
DAYS = effort(30, 1_000)
KEPT_DAYS = 3
SCENES = 60
#: rows that are added and deleted per day
ROWS_PER_DAY = {"scene": SCENES, "tile": 2 * SCENES, "job": 2 * 4 * SCENES, "event": 2 * 12 * SCENES}
#: log of several days
CHECKPOINT_BYTES = 400_000


def work(engine: Running, scenes: list[int]) -> None:
    """Lease, fail and retry each scene four times."""
    for _ in range(4):
        engine.do(LeaseJobs("downloader", len(scenes), DAY, "worker"))
        engine.do(
            ReportResults(
                [Result(kind=ItemKind.SCENE, id=scene_id, status=Status.RETRY, message="x" * 50) for scene_id in scenes]
            )
        )
        engine.do(RetryAOI("*"))


def days(engine: Running) -> Iterator[None]:
    """Run one permanent ingestion, and one per day that is deleted in the evening."""
    engine.do(CreateAOI("permanent"))
    lasting = engine.ingest("permanent", *scenes())
    for day in range(DAYS):
        engine.do(CreateAOI(f"of day {day}"))
        work(engine, lasting + engine.ingest(f"of day {day}", *scenes()))
        engine.do(DeleteAOI(f"of day {day}"))
        engine.clock.seconds += DAY
        engine.do(PruneHistory(jobs=DAY, events=KEPT_DAYS * DAY))
        yield


def scenes() -> list[NewScene]:
    return [NewScene(f"S2A_{index}", 0, {"T32UNG": None, "T33VUC": None}) for index in range(SCENES)]


def rows_in(path: Path) -> dict[str, tuple[int, int]]:
    """Return for each growing table the count of its rows, and of the rows in the file including deleted ones."""
    count = "SELECT sum(count) FROM pragma_storage_info(?) WHERE column_id = 0 AND segment_type <> 'VALIDITY'"
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            table: (
                connection.table(table).count("*").fetchall()[0][0],
                connection.execute(count, [table]).fetchall()[0][0],
            )
            for table in ("scene", "tile", "job", "event")
        }


@pytest.mark.torture
@pytest.mark.timeout(effort(3_600, 14_400))
def test_the_file_of_a_steady_store_does_not_grow(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    path, sizes, last = tmp_path / "workflow.duckdb", list[int](), 0
    with running_on(path, CHECKPOINT_BYTES) as engine:
        for _ in days(engine):
            events = engine.events()
            last = events[-1].seq
            assert (engine.clock() - events[0].time).total_seconds() <= KEPT_DAYS * DAY
            sizes.append(path.stat().st_size)
        kept = len(events)
        assert unsound_in(engine) == []
    for table, (rows_kept, rows) in rows_in(path).items():
        assert rows <= 2 * rows_kept + ROWS_PER_DAY[table], table
    third = DAYS // 3
    for name, value in (
        ("days", DAYS),
        ("events", last),
        ("kept", kept),
        ("bytes after a third", max(sizes[:third])),
        ("bytes at the end", max(sizes[-third:])),
        ("bytes when closed", path.stat().st_size),
    ):
        record_property(name, value)
    print(sizes)
    assert max(sizes[-third:]) <= 1.1 * max(sizes[:third])

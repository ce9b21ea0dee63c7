"""What is forgotten leaves room for what comes: the file of a store in which as much ends as begins stays as it is."""

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
#: that come and go
A_DAYS_ROWS = {"scene": SCENES, "tile": 2 * SCENES, "job": 2 * 4 * SCENES, "event": 2 * 12 * SCENES}
#: several days' worth of log
CHECKPOINT_BYTES = 400_000


def work(engine: Running, scenes: list[int]) -> None:
    """Each scene is taken, fails, and is tried again, a few times."""
    for _ in range(4):
        engine.do(LeaseJobs("downloader", len(scenes), DAY, "worker"))
        engine.do(
            ReportResults(
                [Result(kind=ItemKind.SCENE, id=number, status=Status.RETRY, message="x" * 50) for number in scenes]
            )
        )
        engine.do(RetryAOI("*"))


def days(engine: Running) -> Iterator[None]:
    """An ingestion that is there all the time, and one a day that comes and goes."""
    engine.do(CreateAOI("all the time"))
    lasting = engine.ingest("all the time", *scenes())
    for day in range(DAYS):
        engine.do(CreateAOI(f"of day {day}"))
        work(engine, lasting + engine.ingest(f"of day {day}", *scenes()))
        engine.do(DeleteAOI(f"of day {day}"))
        engine.clock.seconds += DAY
        engine.do(PruneHistory(jobs=DAY, events=KEPT_DAYS * DAY))
        yield


def scenes() -> list[NewScene]:
    return [NewScene(f"S2A_{number}", 0, {"T32UNG": None, "T33VUC": None}) for number in range(SCENES)]


def rows_in(path: Path) -> dict[str, tuple[int, int]]:
    """How many rows of each table that grows there are, and how many the file has, with those that were deleted."""
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
@pytest.mark.timeout(effort(300, 7_200))
def test_a_store_in_which_as_much_ends_as_begins_does_not_grow(
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
        assert rows <= 2 * rows_kept + A_DAYS_ROWS[table], table
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

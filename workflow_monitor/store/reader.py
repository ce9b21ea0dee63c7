"""The read side of a store: JSON made by the database, streamed in chunks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from workflow_monitor.domain.failures import FailedItem, FailedScene, failed_with_scene
from workflow_monitor.domain.models import AOI, Event, GraphExtent, Page
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.domain.timeline import TimeRange, TransitionCount
from workflow_monitor.graph.nodes import GraphSource, Subgraph
from workflow_monitor.store.graph_reader import StoredGraph
from workflow_monitor.store.interfaces import Activity, JobRow, RunningJob, SearchHit, Shape, Snapshot
from workflow_monitor.store.item_rows import SQLItemRows
from workflow_monitor.store.item_serializer import ItemSerializer, aware
from workflow_monitor.store.session import CHUNK, Session, SessionFactory

if TYPE_CHECKING:
    import pyarrow as pa

    from workflow_monitor.store.aoi_cache import AOIReader

#: statements shared by all dialects; see `sql.py`
READING = ("workflow_monitor.store", "reading.sql")
#: rows per Arrow batch. Scenes have more data; half a row group of DuckDB makes its join of a million rows twice as fast.
BATCH = {ItemKind.SCENE: 20_480, ItemKind.TILE: 61_440}
#: https://geoarrow.org/extension-types: WKB in longitude and latitude
_GEOARROW = {
    "ARROW:extension:name": "geoarrow.wkb",
    "ARROW:extension:metadata": '{"crs":"OGC:CRS84","crs_type":"authority_code"}',
}
#: span of the activity of an AOI without events
EMPTY_SPAN = timedelta(hours=1)
SHORTEST_STEP = timedelta(milliseconds=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_NO_LIMIT = 2**62
_LARGEST = 2**63 - 1


class SQLReader:
    """The read side of a store; see `store.interfaces.Reader`. Thread-safe.

    Each call, and each iterator, opens a session and reads one committed state.
    """

    def __init__(self, source: SessionFactory, aois: AOIReader) -> None:
        self._source = source
        self._aois = aois

    def _rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        with self._source.single() as session:
            return session.rows(name, *values)

    def _streamed(self, name: str, *values: object) -> Iterator[list[tuple[Any, ...]]]:
        with self._source.snapshot() as session:
            yield from session.chunks(name, *values, size=CHUNK)

    # ---- AOIs

    def aois(self) -> list[AOI]:
        return self._aois.aois()

    def aoi(self, name: str) -> AOI | None:
        return self._aois.by_name(name)

    def roots(self, aoi: int) -> GraphExtent:
        return self._aois.roots(aoi, lambda: self._find_roots(aoi))

    def _find_roots(self, aoi: int) -> GraphExtent:
        with self._source.snapshot() as session:
            number, first = session.rows("roots", aoi)[0]
            return GraphExtent(number, aware(first), aware(self._last_leaf(session, aoi)))

    def _last_leaf(self, session: Session, aoi: int) -> datetime | None:
        """Return the acquisition date of the last leaf tile; it is nearly always among the last scenes."""
        among = 100
        while True:
            last, scenes = session.rows("last_leaf", aoi, among)[0]
            if last is not None or scenes < among:
                return cast("datetime | None", last)
            among *= 100

    # ---- scenes and tiles

    @contextmanager
    def item_rows(self) -> Iterator[SQLItemRows]:
        with self._source.snapshot() as session:
            yield SQLItemRows(session.rows)

    def documents(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        with self._source.snapshot() as session:
            return ItemSerializer(session.rows, self._aois.names).documents(kind, ids)

    def feature(self, kind: ItemKind, number: int) -> str | None:
        rows = self._rows(f"{kind}_as_feature", number)
        return rows[0][0] if rows else None

    def has_scene(self, number: int) -> bool:
        return bool(self._rows("scene_exists", number))

    def items(
        self, kind: ItemKind, aois: Sequence[int], statuses: Iterable[Status], page: Page | None, shape: Shape
    ) -> Iterator[list[str]]:
        chosen = list(aois), [str(status) for status in statuses]
        with self._source.snapshot() as session:
            for first, last in _ranges(session, kind, chosen, page, CHUNK):
                rows = session.rows(f"{kind}s_as_{shape}", *chosen, first, last)
                yield [document for (document,) in rows]

    def arrow(
        self, kind: ItemKind, aois: Sequence[int], statuses: Iterable[Status], page: Page | None
    ) -> Iterator[pa.RecordBatch]:
        chosen = list(aois), [str(status) for status in statuses]
        with self._source.snapshot() as session:
            ranges = list(_ranges(session, kind, chosen, page, BATCH[kind])) or [(0, 0)]
            for first, last in ranges:
                table = _georeferenced(session.table(f"{kind}s_as_arrow", *chosen, first, last))
                yield from table.combine_chunks().to_batches() or [_empty_batch(table.schema)]

    def tiles_of(self, scene: int, shape: Shape) -> Iterator[list[str]]:
        return self._documents(f"tiles_of_scene_as_{shape}", scene)

    def root_tiles(self, aoi: int, shape: Shape) -> Iterator[list[str]]:
        return self._documents(f"root_tiles_as_{shape}", aoi)

    def leaf_tiles(self, aoi: int, shape: Shape) -> Iterator[list[str]]:
        return self._documents(f"leaf_tiles_as_{shape}", aoi)

    def _documents(self, name: str, *values: object) -> Iterator[list[str]]:
        for rows in self._streamed(name, *values):
            yield [document for (document,) in rows]

    @contextmanager
    def graph(self, aois: Sequence[int], part: Subgraph) -> Iterator[GraphSource]:
        with self._source.snapshot() as session:
            yield StoredGraph(session, list(aois), part)

    # ---- columns for maps and graphs

    def footprints(self, kind: ItemKind, aoi: int) -> Snapshot:
        with self._source.snapshot() as session:
            return _snapshot_of(session, f"{kind}_footprints", aoi)

    def lanes(self, aoi: int) -> tuple[Snapshot, Snapshot]:
        with self._source.snapshot() as session:
            return _snapshot_of(session, "tile_columns", aoi), _snapshot_of(session, "scene_columns", aoi)

    def unfinished(self, aoi: int) -> tuple[Snapshot, Snapshot]:
        with self._source.snapshot() as session:
            return _snapshot_of(session, "unfinished_tiles", aoi), _snapshot_of(session, "unfinished_scenes", aoi)

    def is_in(self, aois: Sequence[int], kind: ItemKind, number: int) -> bool:
        return bool(self._rows(f"{kind}_is_in", number, list(aois)))

    def names(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        return dict(self._rows(f"{kind}_names", list(ids)))

    def find(self, aoi: int, text: str, limit: int) -> tuple[int, list[SearchHit]]:
        letter, number = parse_item_reference(text)
        rows = self._rows("find", aoi, text, letter, number, limit)
        items = [
            SearchHit(ItemKind(kind), found, source_id, scene, aware(acquired), Status(status))
            for kind, found, source_id, scene, acquired, status, _ in rows
        ]
        return (rows[0][-1] if rows else 0), items

    # ---- jobs and events

    def backlog(self, queue: ItemKind) -> tuple[int, int]:
        queued, leased = self._rows("backlog", queue)[0]
        return queued, leased

    def jobs(self, queue: ItemKind, state: str, page: Page | None, item: int | None = None) -> Iterator[list[JobRow]]:
        with self._source.snapshot() as session:
            ids = session.numbers("job_ids", queue, state, *_limit_offset(page), item)
            items = ItemSerializer(session.rows, self._aois.names)
            for start in range(0, len(ids), CHUNK):
                yield items.jobs(queue, [int(number) for number in ids[start : start + CHUNK]])

    def failures(self, aoi: int, limit: int | None) -> list[FailedItem]:
        rows = self._rows("failures", aoi, _NO_LIMIT if limit is None else limit)
        return list(map(_failed_item, rows))

    def events(self, after: int, aoi: int | None, limit: int) -> list[Event]:
        return [_event(row) for row in self._rows("events_after", after, aoi, limit)]

    def activity(self, aoi: int, since: datetime | None, until: datetime, steps: int, limit: int) -> Activity:
        with self._source.snapshot() as session:
            first = aware(session.rows("first_event", aoi)[0][0])
            span = _time_range(since or first, until, steps)
            values = aoi, _naive(span.since), span.step // timedelta(microseconds=1), steps
            flows = session.rows("transition_counts", *values)
            jobs = session.rows("pending_jobs", aoi, limit)
            workload = session.rows("counters_of_aoi", aoi)
        now: dict[ItemKind, Counter[Status]] = {kind: Counter() for kind in ItemKind}
        for of, status, items in workload:
            now[ItemKind(of.removesuffix("s"))][Status(status)] += items
        pending = jobs[0][-1] if jobs else 0
        return Activity(span, now, [_flow(row) for row in flows], pending, [_running(row) for row in jobs])

    def event_bounds(self) -> tuple[int, int]:
        oldest, newest = self._rows("event_bounds")[0]
        return oldest, newest

    def history(
        self,
        aoi: int,
        since: datetime | None,
        until: datetime | None,
        kind: str | None,
        item: int | None,
        status: Status | None,
        page: Page | None,
    ) -> Iterator[list[Event]]:
        bounds = _naive(since), _naive(until)
        for rows in self._streamed("history", aoi, *bounds, kind, item, status, *_limit_offset(page)):
            yield [_event(row) for row in rows]


def _ranges(
    session: Session, kind: ItemKind, chosen: tuple[list[int], list[str]], page: Page | None, size: int
) -> Iterator[tuple[int, int]]:
    ids = session.numbers(f"{kind}_ids", *chosen, *_limit_offset(page))
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        yield int(part[0]), int(part[-1])


def _snapshot_of(session: Session, name: str, aoi: int) -> Snapshot:
    _, newest = session.rows("event_bounds")[0]
    return Snapshot(newest, session.table(name, aoi))


def parse_item_reference(text: str) -> tuple[str, int]:
    """Parse an item id into (`s`, `t` or empty, id); ("-", 0) if the text is no id.

    >>> parse_item_reference("t12"), parse_item_reference("12"), parse_item_reference("T32UNG")
    (('t', 12), ('', 12), ('-', 0))
    """
    found = re.fullmatch(r"([st]?)([0-9]{1,18})", text.lower(), re.ASCII)
    return (found[1], int(found[2])) if found else ("-", 0)


def _limit_offset(page: Page | None) -> tuple[int, int]:
    if page is None:
        return _NO_LIMIT, 0
    limit = min(page.limit, _NO_LIMIT)
    return limit, min(page.index * limit, _LARGEST)


def _time_range(begin: datetime | None, until: datetime, steps: int) -> TimeRange:
    """Return the range from `begin` to `until`, of EMPTY_SPAN without a begin, and of SHORTEST_STEP a step or more.

    At the start of the calendar, `until` is moved to leave room for the steps.
    """
    until = max(until, _EARLIEST + SHORTEST_STEP * steps)
    start = until - min(EMPTY_SPAN, until - _EARLIEST) if begin is None else begin
    return TimeRange(min(start, until - SHORTEST_STEP * steps), until, steps)


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _failed_item(row: tuple[Any, ...]) -> FailedItem:
    kind, item_id, status, text, since, acquired, orbit, cause, scene_id, scene_status, scene_message = row
    item = FailedItem(ItemKind(kind), item_id, Status(status), text, aware(since), acquired, orbit)
    scene = FailedScene(scene_id, Status(scene_status), scene_message)
    return replace(item, failed_with=scene) if failed_with_scene(item, scene, cause and Cause(cause)) else item


def _flow(row: tuple[Any, ...]) -> TransitionCount:
    step, kind, before, after, number = row
    return TransitionCount(step, ItemKind(kind), before and Status(before), Status(after), number)


def _running(row: tuple[Any, ...]) -> RunningJob:
    kind, item, source_id, attempt, published, is_leased, worker, _ = row
    return RunningJob(ItemKind(kind), item, source_id, attempt, published.replace(tzinfo=UTC), is_leased, worker)


def _event(row: tuple[Any, ...]) -> Event:
    seq, time, aoi, kind, item, before, after, cause, *rest = row
    statuses = (None if before is None else Status(before), None if after is None else Status(after))
    return Event(seq, time.replace(tzinfo=UTC), aoi, kind, item, *statuses, Cause(cause), *rest)


def _georeferenced(table: pa.Table) -> pa.Table:
    """Mark the footprints of a table as GeoArrow WKB."""
    index = table.schema.get_field_index("geometry")
    return table.cast(table.schema.set(index, table.schema.field(index).with_metadata(_GEOARROW)))


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415 - imported on demand: it takes 0.2 s

    # from_pylist infers int8 indices of dictionaries before pyarrow 26; DuckDB's enums have uint8.
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)

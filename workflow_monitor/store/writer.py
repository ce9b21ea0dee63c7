"""The write side of a store: set-based statements on the writer thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.domain.models import AOI, Event, Job, LeasedJob, LeaseGrant, Scene, Tile
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import ChangeSet, CountDelta
from workflow_monitor.store.aoi_cache import COUNTERS, AOIChangeListener, workload
from workflow_monitor.store.interfaces import BEFORE_ALL, NextIds, Payloads
from workflow_monitor.store.item_rows import SQLItemRows
from workflow_monitor.store.item_serializer import ItemSerializer

if TYPE_CHECKING:
    from workflow_monitor.domain.models import Geometry, NewScene, NewTile, SceneData, TileData

#: statements shared by all dialects; see `sql.py`
WRITING = ("workflow_monitor.store", "writing.sql")
_STATUS = {str(status): status for status in Status}
_KIND = {str(kind): kind for kind in ItemKind}


class WriteConnection(Protocol):
    """Connection of the writer thread; all methods raise StoreUnavailable if the database or the machine fails."""

    def begin(self) -> bool:
        """Begin a transaction; return True if another server has, or may have, written since the last one."""

    def commit(self) -> None:
        """Commit the transaction durably, or roll all of it back."""

    def roll_back(self) -> None:
        """Roll back the transaction, if one is open."""

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all its rows."""

    def change(self, name: str, *values: object) -> int:
        """Run a statement that changes rows, and return their count."""

    def write(self, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Run a statement with these columns as its values, in order; return the count of written rows."""

    def corruption_error(self, detail: str) -> StoreUnavailable:
        """Return the error of a store that contradicts the engine, and log it."""


class SQLWriter(SQLItemRows):
    """The write side of a store; see `store.interfaces.Writer`.

    The statements are those of READING, WRITING and a dialect; `aoi_listener` receives the changes of AOIs.
    """

    def __init__(self, connection: WriteConnection, aoi_listener: AOIChangeListener) -> None:
        super().__init__(connection.rows)
        self._connection = connection
        self._aoi_listener = aoi_listener
        #: whether the transaction has changed something
        self._has_changed = False

    def _rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.rows(name, *map(_bound, values))

    def _run(self, name: str, *values: object) -> None:
        self._rows(name, *values)
        self._has_changed = True

    def _update(self, name: str, ids: Sequence[object], *values: object) -> None:
        """Update rows by id; raise StoreUnavailable if one is missing."""
        self._check(name, self._connection.change(name, ids, *values), len(ids))

    def _write(self, name: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Run a statement with these columns as its values, in order."""
        self._check(name, self._connection.write(name, columns), len(next(iter(columns.values()))))

    def _check(self, name: str, written: int, expected: int) -> None:
        """Raise if the count differs: missing rows mean a damaged store, and no decision may build on them."""
        if written != expected:
            raise self._connection.corruption_error(f"{name.replace('_', ' ')} found {written} of {expected}")
        self._has_changed = True

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        """Commit the block durably, or roll all of it back."""
        is_outdated = self._connection.begin()
        self._aoi_listener.begin()
        self._has_changed = False
        try:
            yield is_outdated
        except BaseException:
            self._connection.roll_back()
            raise
        self._connection.commit()
        self._aoi_listener.commit()

    # ---- rows to change

    def next_ids(self) -> NextIds:
        return NextIds(*(used + 1 for used in self._rows("used_ids")[0]))

    def _save_used_ids(self) -> None:
        """Store the greatest ids, so that no id is reused after a delete."""
        self._run("save_used_ids", *self._rows("used_ids")[0])

    def aois(self) -> list[AOI]:
        aois = {number: AOI(number, name) for number, name in self._rows("aois")}
        for number, of, status, items in self._rows("workloads"):
            if number in aois:
                workload(aois[number], of)[_STATUS[status]] = items
        return list(aois.values())

    def scenes_named(self, aoi: int, source_ids: Iterable[str]) -> dict[str, int]:
        return dict(self._rows("scenes_named", aoi, list(source_ids)))

    def items_in(self, aois: Iterable[int], statuses: Iterable[Status]) -> tuple[list[int], list[int]]:
        filters = list(aois), [str(status) for status in statuses]
        scenes, tiles = self._rows("scenes_in", *filters), self._rows("tiles_in", *filters)
        return [number for (number,) in scenes], [number for (number,) in tiles]

    # ---- AOIs

    def create_aoi(self, number: int, name: str, at: datetime) -> None:
        self._run("create_aoi", number, name, at)
        self._run("create_workload", number, list(COUNTERS), list(Status))
        self._aoi_listener.count([AOI(number, name)])

    def delete_aoi(self, number: int) -> None:
        self._save_used_ids()
        for part in ("aoi", "workload", "scenes", "tiles", "jobs", "events"):
            self._run(f"delete_{part}", number)
        self._aoi_listener.delete(number)

    def log_aoi(self, event: Event) -> None:
        self._run("insert_aoi_event", event.seq, event.time, event.id, event.after, event.cause, event.actor, event.aoi)

    # ---- scenes and tiles

    def save(self, changes: ChangeSet, payloads: Payloads, aois: Sequence[AOI], at: datetime) -> None:
        if changes.new_scenes:
            self._insert_scenes(changes.new_scenes, payloads)
        if changes.new_tiles:
            self._insert_tiles(changes.new_tiles, payloads)
        time = _bound(at)
        if changes.scenes:
            self._write("update_scenes", _named_columns(changes.scenes, ("id", *_STATE)))
        if changes.tiles:
            self._write("update_tiles", _named_columns(changes.tiles, ("id", *_STATE, "previous", "reference")))
        if changes.log:
            self._write("insert_events", _named_columns(changes.log, _EVENT) | {"time": [time] * len(changes.log)})
        if changes.jobs:
            self._write("insert_jobs", _named_columns(changes.jobs, _JOB) | {"published": [time] * len(changes.jobs)})
        if changes.withdrawn:
            # after the inserts: of the new jobs, too, some may have been withdrawn already
            self._run("withdraw_jobs", changes.withdrawn, at)
        self._save_workloads(aois, changes.workload)
        self._aoi_listener.invalidate_topology(changes.changed_topology)

    def _insert_scenes(self, scenes: Sequence[Scene], payloads: Payloads) -> None:
        given = [payloads.scenes[scene.id] for scene in scenes]
        columns = _named_columns(scenes, ("id", "aoi", "source_id", *_STATE))
        columns |= {"acquired": [_bound(scene.date) for scene in given], "data": [scene.data for scene in given]}
        self._write("insert_scenes", columns | _geometries(given))

    def _insert_tiles(self, tiles: Sequence[Tile], payloads: Payloads) -> None:
        given = [payloads.tiles[tile.id] for tile in tiles]
        columns = _named_columns(tiles, ("id", "aoi", "scene", "source_id", "previous", "reference", *_STATE))
        columns |= {"data": [tile.data for tile in given]}
        self._write("insert_tiles", columns | _geometries(given))

    def _save_workloads(self, aois: Sequence[AOI], changed: Mapping[int, CountDelta]) -> None:
        rows = [
            (aoi.id, of, str(status), workload(aoi, of)[status])
            for aoi in aois
            for of in COUNTERS
            for status, more in workload(changed[aoi.id], of).items()
            if more
        ]
        if rows:
            self._run("set_workload", *(list(column) for column in zip(*rows, strict=True)))
        self._aoi_listener.count(aois)

    def data(self, kind: ItemKind, number: int) -> str | None:
        rows = self._rows(f"{kind}_data", number)
        return rows[0][0] if rows else None

    def set_scene_data(self, number: int, data: SceneData, footprint: Geometry | None) -> None:
        has_own = data.geometry is not None
        self._run("set_scene_data", number, data.text, data.date, *_geometry(footprint), has_own)

    def set_tile_data(self, number: int, data: TileData) -> None:
        self._run("set_tile_data", number, data.text)

    # ---- jobs

    def lease(self, queue: ItemKind, offers: Sequence[LeaseGrant], aois: Sequence[int] | None) -> list[LeasedJob]:
        jobs = self.available_jobs(queue, len(offers), aois)
        if not jobs:
            return []
        given = offers[: len(jobs)]
        untils = [_bound(offer.until) for offer in given]
        self._update("lease_jobs", [job.id for job in jobs], *_columns(given, ("lease", "worker")), untils)
        messages = ItemSerializer(self._connection.rows, self._aoi_listener.names).messages(queue, jobs)
        self._check("messages_of_jobs", len(messages), len(jobs))
        return [
            LeasedJob(job.id, job.item, messages[job.id], job.attempt, offer.lease, offer.until)
            for job, offer in zip(jobs, given, strict=True)
        ]

    def available_jobs(self, queue: ItemKind, number: int, aois: Sequence[int] | None) -> list[Job]:
        """Return the oldest queued jobs, of all AOIs if `aois` is None."""
        if aois is None:
            return to_jobs(self._rows("available_jobs", queue, number, 0))
        return to_jobs(self._rows("available_jobs_of_aois", queue, number, list(aois)))

    def renew(self, queue: ItemKind, leases: Sequence[str], now: datetime, until: datetime) -> list[str]:
        renewed = [lease for (lease,) in self._rows("renew_leases", queue, list(leases), now, until)]
        self._has_changed = self._has_changed or bool(renewed)
        return renewed

    def expired_jobs(self, now: datetime) -> list[Job]:
        return to_jobs(self._rows("expired_jobs", now))

    def next_expiry(self) -> datetime | None:
        expiry: datetime | None = self._rows("next_expiry")[0][0]
        return None if expiry is None else expiry.replace(tzinfo=UTC)

    def shift_leases(self, shift: timedelta, after: datetime = BEFORE_ALL) -> None:
        self._count_changed(self._rows("shift_leases", int(shift.total_seconds()), after))

    def clamp_leases(self, until: datetime) -> None:
        self._count_changed(self._rows("clamp_leases", until))

    def _count_changed(self, rows: Sequence[object]) -> None:
        self._has_changed = self._has_changed or bool(rows)

    def prune(self, withdrawn_before: datetime, events_before: datetime | None) -> None:
        self._save_used_ids()
        self._run("prune_jobs", withdrawn_before)
        if events_before is not None:
            self._run("prune_events", events_before)


#: columns whose name differs from the model field
_COLUMN_OF_FIELD = {"retries_left": "countdown", "actor": "who"}
_STATE = ("status", "message", "retries_left", "attempt", "job")
_EVENT = (
    "seq", "aoi", "kind", "id", "before", "after", "cause", "actor", "message", "attempt", "retries_left", "previous",
    "reference",
)  # fmt: skip
_JOB = ("id", "kind", "item", "aoi", "attempt", "previous", "reference")


def _bound(value: object) -> object:
    """Convert a time to UTC without a zone, as it is stored."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _columns(items: Sequence[object], names: Sequence[str]) -> list[list[object]]:
    return [[getattr(item, name) for item in items] for name in names]


def _named_columns(items: Sequence[object], names: Sequence[str]) -> dict[str, list[object]]:
    columns = [_COLUMN_OF_FIELD.get(name, name) for name in names]
    return dict(zip(columns, _columns(items, names), strict=True))


_GEOMETRY = ("geometry", "footprint", "geometry_origin", "geometry_note")


def _geometry(geometry: Geometry | None) -> tuple[str | bytes | None, ...]:
    if geometry is None:
        return (None,) * len(_GEOMETRY)
    return geometry.geojson, geometry.wkb, geometry.origin, geometry.note or None


def _geometries(items: Sequence[NewScene] | Sequence[NewTile]) -> dict[str, list[object]]:
    rows = [_geometry(item.geometry) for item in items]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return dict(zip(_GEOMETRY, columns, strict=True))


def to_jobs(rows: Iterable[tuple[Any, ...]]) -> list[Job]:
    """Convert rows of `job_columns`."""
    return [Job(row[0], _KIND[row[1]], *row[2:]) for row in rows]

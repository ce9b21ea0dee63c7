"""The interfaces between the engine and a store.

A store holds AOIs, scenes, tiles, jobs and events. One thread writes through `writer`, in transactions. Many threads
read through `reader`, which returns committed state. Times are UTC. Ids are positive and increase.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from workflow_monitor.domain.failures import FailedItem
from workflow_monitor.domain.models import (
    AOI,
    Backup,
    Event,
    GraphExtent,
    Job,
    LeasedJob,
    LeaseGrant,
    Page,
    Scene,
    Tile,
)
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.timeline import TimeRange, TransitionCount
from workflow_monitor.domain.working_set import ChangeSet
from workflow_monitor.graph.nodes import GraphSource, Subgraph

if TYPE_CHECKING:
    import pyarrow as pa

    from workflow_monitor.domain.models import Geometry, NewScene, NewTile, SceneData, TileData

#: "document": the default REST representation; "feature": a GeoJSON feature; "short": without status and links;
#: "…_with_tiles": scenes with their tiles
Shape = Literal["document", "feature", "short", "document_with_tiles", "feature_with_tiles"]

#: a time before all leases
BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NextIds:
    """The next free ids."""

    aoi: int
    scene: int
    tile: int
    #: of events; a job has the id of the event that published it
    seq: int


@dataclass(slots=True)
class Payloads:
    """Data and footprints of new scenes and tiles, by id; the state machine does not read them."""

    scenes: dict[int, NewScene]
    tiles: dict[int, NewTile]


class SearchHit(NamedTuple):
    """A scene or tile that matches a search."""

    kind: ItemKind
    id: int
    source_id: str
    #: of a tile; None for a scene
    scene_source_id: str | None
    acquired: datetime | None
    status: Status


class RunningJob(NamedTuple):
    """A scene or tile that is PENDING."""

    kind: ItemKind
    id: int
    source_id: str
    attempt: int
    #: time of publication, UTC
    since: datetime
    is_leased: bool
    worker: str | None


class Activity(NamedTuple):
    """Transitions of an AOI over time, and its present counts."""

    span: TimeRange
    #: items per kind and status now
    now: dict[ItemKind, Counter[Status]]
    flows: list[TransitionCount]
    #: count of PENDING items
    pending: int
    #: the first PENDING items: leased ones before queued ones
    running: list[RunningJob]


class Snapshot(NamedTuple):
    """Columns of one committed state, and the greatest event sequence number in it.

    A status is its position in `Status`. A day counts from 1970-01-01, null without a date. A missing previous tile is 0.
    """

    seq: int
    table: pa.Table


class JobRow(NamedTuple):
    """A job with its lease and its message."""

    id: int
    attempt: int
    published: datetime
    #: when the item left PENDING without a result of this job
    withdrawn: datetime | None
    lease: str | None
    worker: str | None
    expires: datetime | None
    #: JSON
    message: str


class ItemRows(Protocol):
    """Scenes and tiles, without their payloads, as the working set loads them; ids that do not exist are left out."""

    def scenes(self, ids: Iterable[int]) -> list[Scene]: ...

    def tiles(self, ids: Iterable[int]) -> list[Tile]: ...

    def unfinished_tiles_named(self, aoi: int, source_id: str) -> list[Tile]:
        """Return the tiles of a place that are not DONE: in an AOI, with a source id."""

    def tiles_of(self, scenes: Iterable[int]) -> list[Tile]: ...

    def followers_of(self, tiles: Iterable[int]) -> list[Tile]: ...

    def referrers_of(self, tiles: Iterable[int]) -> list[Tile]: ...


class Writer(ItemRows, Protocol):
    """The write side of a store, used by the writer thread. All methods but `next_ids` and `aois` need a transaction."""

    def transaction(self) -> AbstractContextManager[bool]:
        """Commit the block durably, or roll all of it back; raise StoreUnavailable if the store fails.

        Transactions are serial, also among servers over the same store. The value is True if another server has, or may
        have, committed since the last transaction of this writer: cached rows are stale then.
        """

    def next_ids(self) -> NextIds: ...

    def aois(self) -> list[AOI]:
        """Return all AOIs with their counts."""

    def scenes_named(self, aoi: int, source_ids: Iterable[str]) -> dict[str, int]:
        """Return the ids of the scenes of an AOI that have one of these source ids, by source id."""

    def items_in(self, aois: Iterable[int], statuses: Iterable[Status]) -> tuple[list[int], list[int]]:
        """Return ids of the scenes in these statuses, by id, and of the tiles, by date and id."""

    def create_aoi(self, number: int, name: str, at: datetime) -> None: ...

    def delete_aoi(self, number: int) -> None:
        """Delete an AOI with its scenes, tiles, jobs, and their events."""

    def save(self, changes: ChangeSet, payloads: Payloads, aois: Sequence[AOI], at: datetime) -> None:
        """Write a change set; `aois` are the AOIs whose counts changed, with the new counts."""

    def log_aoi(self, event: Event) -> None:
        """Store an event of the AOI itself, which outlives the AOI."""

    def data(self, kind: ItemKind, number: int) -> str | None:
        """Return the data of an item as JSON, None without the item."""

    def set_scene_data(self, number: int, data: SceneData, footprint: Geometry | None) -> None:
        """Replace data and footprint; keep a footprint from a catalogue if the data have none."""

    def set_tile_data(self, number: int, data: TileData) -> None: ...

    def lease(self, queue: ItemKind, offers: Sequence[LeaseGrant], aois: Sequence[int] | None) -> list[LeasedJob]:
        """Lease the oldest queued jobs, in order, one per grant.

        Only jobs of the AOIs with these ids, unless `aois` is None. Return fewer jobs than grants if the queue is short.
        """

    def renew(self, queue: ItemKind, leases: Sequence[str], now: datetime, until: datetime) -> list[str]:
        """Extend the leases that are in force, and return them."""

    def expired_jobs(self, now: datetime) -> list[Job]:
        """Return the jobs whose lease has expired."""

    def next_expiry(self) -> datetime | None:
        """Return the time of the next lease expiry, UTC; None without leases."""

    def shift_leases(self, shift: timedelta, after: datetime = BEFORE_ALL) -> None:
        """Move the expiry times of leases, by default of all, by whole seconds within 68 years."""

    def clamp_leases(self, until: datetime) -> None:
        """Move later expiry times of leases to `until`."""

    def prune(self, withdrawn_before: datetime, events_before: datetime | None) -> None:
        """Delete completed jobs, jobs withdrawn before a time, and events before another."""


class Reader(Protocol):
    """The read side of a store. Each call, and each iterator, reads one committed state.

    Iterators yield chunks of some hundred kilobytes; they may move between threads, and may be closed early.
    """

    def aois(self) -> list[AOI]:
        """Return all AOIs with their counts, by name. The caller must not modify them."""

    def aoi(self, name: str) -> AOI | None:
        """Return the AOI of a name, None if there is none."""

    def roots(self, aoi: int) -> GraphExtent: ...

    def item_rows(self) -> AbstractContextManager[ItemRows]:
        """Open rows of one committed state for the context."""

    def documents(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Return JSON documents of scenes, or of tiles with their scenes, by id; missing ids are left out."""

    def feature(self, kind: ItemKind, number: int) -> str | None: ...

    def has_scene(self, number: int) -> bool: ...

    def items(
        self, kind: ItemKind, aois: Sequence[int], statuses: Iterable[Status], page: Page | None, shape: Shape
    ) -> Iterator[list[str]]:
        """Yield the scenes or tiles of some AOIs in some statuses, by id."""

    def arrow(
        self, kind: ItemKind, aois: Sequence[int], statuses: Iterable[Status], page: Page | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the same items as Arrow record batches; at least one batch, which carries the schema."""

    def tiles_of(self, scene: int, shape: Shape) -> Iterator[list[str]]: ...

    def root_tiles(self, aoi: int, shape: Shape) -> Iterator[list[str]]: ...

    def leaf_tiles(self, aoi: int, shape: Shape) -> Iterator[list[str]]: ...

    def graph(self, aois: Sequence[int], part: Subgraph) -> AbstractContextManager[GraphSource]:
        """Open the dependency graph of some AOIs, or a part of it."""

    def footprints(self, kind: ItemKind, aoi: int) -> Snapshot:
        """Return the scenes or tiles of an AOI by id: (id, status, day, footprint as WKB in longitude and latitude)."""

    def lanes(self, aoi: int) -> tuple[Snapshot, Snapshot]:
        """Return the tiles (id, scene, status, previous, day) and scenes (id, status, day) of an AOI, by id."""

    def unfinished(self, aoi: int) -> tuple[Snapshot, Snapshot]:
        """Return the tiles (id, scene, status, previous) and scenes (id, status) of an AOI that are not DONE, by id."""

    def is_in(self, aois: Sequence[int], kind: ItemKind, number: int) -> bool:
        """Return True if a scene or tile belongs to one of some AOIs."""

    def names(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Return the source ids of scenes or tiles by id; missing ids are left out."""

    def find(self, aoi: int, text: str, limit: int) -> tuple[int, list[SearchHit]]:
        """Search an AOI for a text in source ids, or for an id (`12`, `s12`, `t12`).

        Return the total, and the first hits: matches by id, then scenes, then tiles.
        """

    def backlog(self, queue: ItemKind) -> tuple[int, int]:
        """Return the counts of queued and of leased jobs."""

    def jobs(self, queue: ItemKind, state: str, page: Page | None, item: int | None = None) -> Iterator[list[JobRow]]:
        """Yield jobs, all or of one item, by id; `state` is `queued` (with withdrawn jobs never leased), `leased`, or "" for both."""

    def failures(self, aoi: int, limit: int | None) -> list[FailedItem]:
        """Return the RETRY and FAILED items of an AOI, by id; at most `limit` per kind and status."""

    def events(self, after: int, aoi: int | None, limit: int) -> list[Event]:
        """Return events with a greater sequence number, of one AOI or all, in order."""

    def activity(self, aoi: int, since: datetime | None, until: datetime, steps: int, limit: int) -> Activity:
        """Return the transitions of an AOI since a time, or since its first stored event, in `steps` time steps."""

    def event_bounds(self) -> tuple[int, int]:
        """Return the smallest and the greatest stored sequence number; zeros without events."""

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
        """Yield events of an AOI in order, from `since` to before `until`, of a kind, of an item, to a status."""


class Store(Protocol):
    """An open store. Its factory takes a URL and the keyword `read_only`."""

    @property
    def reader(self) -> Reader: ...

    @property
    def writer(self) -> Writer: ...

    @property
    def needs_reopen(self) -> bool:
        """True if the store failed and must be opened again."""

    def back_up(self, keep: int) -> Backup:
        """Copy one committed state to the backup location, and keep the last `keep` copies.

        Any thread may call it during reads and writes. Raise Conflict if this store has no backups or one is being made,
        StoreUnavailable if the copy failed; no partial copy remains.
        """

    def backups(self) -> list[Backup]:
        """Return the backups, the newest first."""

    @property
    def is_shared(self) -> bool:
        """True if other servers may write to the same store."""

    def on_foreign_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` on a background thread after another server commits, and whenever a commit may have been missed."""

    def close(self) -> None:
        """Flush everything to disk and release the store."""

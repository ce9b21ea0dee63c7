"""What the engine asks of a store.

A store keeps AOIs, scenes, tiles, jobs and events. It is written by one thread, in transactions, through its `writer`;
it is read by many threads through its `reader`, which sees what was committed.
All times are UTC; all ids are positive and grow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
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

#: "document": as the REST interface shows it by default; "feature": a GeoJSON feature; "short": without status and links
Shape = Literal["document", "feature", "short"]


@dataclass(frozen=True, slots=True)
class NextIds:
    """The next free numbers."""

    aoi: int
    scene: int
    tile: int
    #: of events; a job has the number of the event that published it
    seq: int


@dataclass(slots=True)
class Payloads:
    """What belongs to new scenes and tiles that the state machine does not know, by id."""

    scenes: dict[int, NewScene]
    tiles: dict[int, NewTile]


class SearchHit(NamedTuple):
    """A scene or tile that was looked for."""

    kind: ItemKind
    id: int
    source_id: str
    #: of a tile
    scene_source_id: str | None
    acquired: datetime | None
    status: Status


class RunningJob(NamedTuple):
    """A scene or tile that is PENDING."""

    kind: ItemKind
    id: int
    source_id: str
    attempt: int
    #: since when it waits for a worker, or is with one
    since: datetime
    is_leased: bool
    worker: str | None


class Activity(NamedTuple):
    """What happened to the items of an AOI, and what is."""

    span: TimeRange
    #: how many there are in each status now
    now: dict[ItemKind, Counter[Status]]
    flows: list[TransitionCount]
    #: of all that is PENDING
    pending: int
    #: of these the first, those with a worker before those without
    running: list[RunningJob]


class Snapshot(NamedTuple):
    """Columns of one state of the store, and the greatest sequence number of an event in it.

    A status is its position in `Status`; a day is that since 1970-01-01, null if there is no date; a previous is 0 if
    there is none.
    """

    seq: int
    table: pa.Table


class JobRow(NamedTuple):
    """A job as the queue shows it."""

    id: int
    attempt: int
    published: datetime
    #: when its item moved on without anybody having done it
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

    def tiles_of(self, scenes: Iterable[int]) -> list[Tile]: ...

    def followers_of(self, tiles: Iterable[int]) -> list[Tile]: ...

    def referrers_of(self, tiles: Iterable[int]) -> list[Tile]: ...


class Writer(ItemRows, Protocol):
    """What the writer thread does. All but `numbers` and `aois` is called within a transaction."""

    def transaction(self) -> AbstractContextManager[bool]:
        """Commit what is done within, on disk, or nothing of it; StoreUnavailable if that cannot be had.

        One transaction after the other, also those of other servers over the same store. Answers whether others have
        written since the last one of this writer, or may have: what was read before then has to be read anew.
        """

    def next_ids(self) -> NextIds: ...

    def aois(self) -> list[AOI]:
        """All the AOIs with their workloads."""

    def scenes_named(self, aoi: int, source_ids: Iterable[str]) -> dict[str, int]:
        """The ids of the scenes of an AOI with these source ids, as far as they are there."""

    def items_in(self, aois: Iterable[int], statuses: Iterable[Status]) -> tuple[list[int], list[int]]:
        """Ids of the scenes in these statuses, by id, and of the tiles, by date and id."""

    def create_aoi(self, number: int, name: str, at: datetime) -> None: ...

    def delete_aoi(self, number: int) -> None:
        """Delete it with its scenes, tiles, jobs, and their events."""

    def save(self, changes: ChangeSet, payloads: Payloads, aois: Sequence[AOI], at: datetime) -> None:
        """Write what has changed; `aois` are those whose workload has changed, as it is now."""

    def log_aoi(self, event: Event) -> None:
        """Add the event of an AOI itself, which outlives it."""

    def data(self, kind: ItemKind, number: int) -> str | None:
        """The data of an item as JSON; None if there is no such item."""

    def set_scene_data(self, number: int, data: SceneData, footprint: Geometry | None) -> None:
        """Replace the data; the footprint too, unless it came from a catalogue and the data have none."""

    def set_tile_data(self, number: int, data: TileData) -> None: ...

    def lease(self, queue: ItemKind, offers: Sequence[LeaseGrant], aois: Sequence[int] | None) -> list[LeasedJob]:
        """Give the oldest jobs that nobody has, in order, one for each offer as long as there are any.

        Only jobs of the AOIs with these numbers, unless `aois` is None.
        """

    def renew(self, queue: ItemKind, leases: Sequence[str], now: datetime, until: datetime) -> list[str]:
        """Prolong those of the leases that are in force, and answer them."""

    def expired_jobs(self, now: datetime) -> list[Job]:
        """The jobs whose lease has run out."""

    def next_expiry(self) -> datetime | None:
        """When the next lease runs out."""

    def prune(self, withdrawn_before: datetime, events_before: datetime | None) -> None:
        """Forget jobs that were withdrawn before a time, or done, and events before another."""


class Reader(Protocol):
    """What readers see: each call, and each iterator that a call answers, one committed state of the store.

    Iterators give chunks of some hundred kilobytes; they may be moved between threads, and closed early.
    """

    def aois(self) -> list[AOI]:
        """All the AOIs with their workloads, by name; nobody else changes them."""

    def aoi(self, name: str) -> AOI | None:
        """The AOI of a name."""

    def roots(self, aoi: int) -> GraphExtent: ...

    def item_rows(self) -> AbstractContextManager[ItemRows]:
        """Rows of one committed state, for as long as the context lasts."""

    def documents(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Scenes, or tiles with their scenes, by id; those that are there."""

    def feature(self, kind: ItemKind, number: int) -> str | None: ...

    def has_scene(self, number: int) -> bool: ...

    def items(
        self, kind: ItemKind, aois: Sequence[int], statuses: Iterable[Status], page: Page | None, shape: Shape
    ) -> Iterator[list[str]]:
        """The scenes or tiles of some AOIs in some statuses, by id."""

    def arrow(
        self, kind: ItemKind, aois: Sequence[int], statuses: Iterable[Status], page: Page | None
    ) -> Iterator[pa.RecordBatch]:
        """The same as Arrow record batches; at least one, for the schema's sake."""

    def tiles_of(self, scene: int, shape: Shape) -> Iterator[list[str]]: ...

    def root_tiles(self, aoi: int, shape: Shape) -> Iterator[list[str]]: ...

    def leaf_tiles(self, aoi: int, shape: Shape) -> Iterator[list[str]]: ...

    def graph(self, aois: Sequence[int], part: Subgraph) -> AbstractContextManager[GraphSource]:
        """The dependency graph of some AOIs, or a part of it, as long as the context lasts."""

    def footprints(self, kind: ItemKind, aoi: int) -> Snapshot:
        """The scenes or tiles of an AOI by id: (id, status, day, footprint as WKB); see Snapshot."""

    def lanes(self, aoi: int) -> tuple[Snapshot, Snapshot]:
        """The tiles (id, scene, status, previous, day) and the scenes (id, status, day) of an AOI by id; see Snapshot."""

    def is_in(self, aois: Sequence[int], kind: ItemKind, number: int) -> bool:
        """Whether a scene or tile belongs to one of some AOIs."""

    def names(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """The source ids of scenes or tiles, as far as they are there."""

    def find(self, aoi: int, text: str, limit: int) -> tuple[int, list[SearchHit]]:
        """How many scenes and tiles of an AOI have a text in their names, or are named by it (`12`, `s12`, `t12`).

        And the first of them: those named by their id, then scenes, then tiles.
        """

    def backlog(self, queue: ItemKind) -> tuple[int, int]:
        """How many jobs wait, and how many are leased."""

    def jobs(self, queue: ItemKind, state: str, page: Page | None, item: int | None = None) -> Iterator[list[JobRow]]:
        """Jobs, all or of an item, by id: `queued` (with those that were withdrawn before anybody took them), `leased`, or both if ""."""

    def failures(self, aoi: int, limit: int | None) -> list[FailedItem]:
        """What is in RETRY or FAILED in an AOI, by id; of each kind and status at most so many."""

    def events(self, after: int, aoi: int | None, limit: int) -> list[Event]:
        """Events with a greater sequence number, of one AOI or all, in order."""

    def activity(self, aoi: int, since: datetime | None, until: datetime, steps: int, limit: int) -> Activity:
        """What happened in an AOI since a time, or its first event that is kept, in so many steps."""

    def event_bounds(self) -> tuple[int, int]:
        """The smallest and the greatest sequence number that is kept; zeros if there is none."""

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
        """Events of an AOI in order: from a time to before another, of scenes or tiles, of an item, to a status."""


class Store(Protocol):
    """A store that is open. Its maker is called with a URL and, by name, `read_only`: whether it is only to be read."""

    @property
    def reader(self) -> Reader: ...

    @property
    def writer(self) -> Writer: ...

    @property
    def needs_reopen(self) -> bool:
        """Whether it has to be opened anew."""

    def back_up(self, keep: int) -> Backup:
        """Copy one committed state to where it can be restored from, and keep so many of such copies.

        Any thread may call it, while others read and write. Conflict if this store cannot do that, or is at it;
        StoreUnavailable if it did not succeed, and then there is no new copy.
        """

    def backups(self) -> list[Backup]:
        """The copies there are, the last first."""

    @property
    def is_shared(self) -> bool:
        """Whether other servers may write, too."""

    def on_foreign_commit(self, callback: Callable[[], None]) -> None:
        """Have `tell` called after others have committed, and when that may have been missed; from a thread of its own."""

    def close(self) -> None:
        """Put everything on disk and let others have it."""

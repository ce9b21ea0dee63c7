"""AOIs, scenes and tiles as the state machine sees them: without their payloads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from workflow_monitor.domain.status import Cause, ItemKind, Status, aoi_status


@dataclass(slots=True)
class Scene:
    """A product to download."""

    id: int
    #: id of its AOI
    aoi: int
    source_id: str
    status: Status = Status.NEW
    message: str = ""
    #: retries left; a forced dispatch can take it below 0
    retries_left: int = 0
    #: count of dispatches
    attempt: int = 0
    #: id of its current job, if any
    job: int | None = None

    @property
    def kind(self) -> ItemKind:
        return ItemKind.SCENE


@dataclass(slots=True)
class Tile:
    """A piece of a scene to process."""

    id: int
    aoi: int
    #: id of the scene that it belongs to
    scene: int
    source_id: str
    #: id of the tile before it in time at the same place
    previous: int | None = None
    #: id of the root of its chain
    reference: int | None = None
    status: Status = Status.NEW
    message: str = ""
    retries_left: int = 0
    attempt: int = 0
    job: int | None = None

    @property
    def kind(self) -> ItemKind:
        return ItemKind.TILE

    @property
    def is_root(self) -> bool:
        return self.status is not Status.FAILED and self.previous is None and self.reference is None


Item = Scene | Tile


@dataclass(slots=True)
class AOI:
    """A named ingestion, with how many of its scenes and tiles are in each status."""

    id: int
    name: str
    scenes: Counter[Status] = field(default_factory=Counter)
    tiles: Counter[Status] = field(default_factory=Counter)
    #: the part of `tiles` whose scene is DONE
    tiles_of_done_scenes: Counter[Status] = field(default_factory=Counter)

    @property
    def status(self) -> Status:
        return aoi_status(self.scenes, self.tiles, self.tiles_of_done_scenes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of a scene or tile, as a worker reports it."""

    kind: ItemKind
    id: int
    status: Status
    message: str = ""
    #: attempt of the job; None if the worker does not send it
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Dispatch of an item to the workers, as a row of the outbox.

    `previous` and `reference` are the ids of the tiles in the message of the job.
    """

    id: int
    kind: ItemKind
    item: int
    aoi: int
    attempt: int
    previous: int | None = None
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """Lease to grant: its secret, the worker, and the expiry time (UTC)."""

    lease: str
    worker: str
    until: datetime


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job leased to a worker."""

    id: int
    #: id of the scene or tile
    item: int
    #: the job message, JSON as the downloader or the processor expects it
    payload: str
    attempt: int
    lease: str
    #: end of the lease, UTC
    expires: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an AOI, a scene or a tile, with the state of the item after the change."""

    seq: int
    #: UTC
    time: datetime
    #: name of the AOI
    aoi: str
    #: "aoi", "scene" or "tile"
    type: str
    #: id of the scene, the tile or the AOI
    id: int
    before: Status | None
    after: Status | None
    cause: Cause
    #: user, worker or server that caused the event; empty if unknown
    actor: str
    message: str = ""
    attempt: int = 0
    retries_left: int = 0
    previous: int | None = None
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class GraphExtent:
    """Root tiles of an AOI, and the first and last acquisition time of its chains."""

    #: number of root tiles
    count: int
    #: acquisition times (UTC) of the earliest scene of a root tile and of the latest scene of a leaf tile
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class AOISummary:
    """Counts, status and dates of an AOI at one moment."""

    name: str
    status: Status
    scenes: Counter[Status]
    tiles: Counter[Status]
    #: count of root tiles
    root_tiles: int = 0
    #: acquisition date (UTC) of the earliest scene of a root tile, and of the latest scene of a leaf tile
    first: date | None = None
    last: date | None = None

    def count(self, *statuses: Status) -> int:
        """Return the count of scenes and tiles in these statuses, or in any status without arguments."""
        return sum(counts[status] for counts in (self.scenes, self.tiles) for status in statuses or tuple(Status))

    @property
    def progress(self) -> float | None:
        """Share of scenes and tiles in DONE or FAILED, from 0 to 1; None for an empty AOI."""
        total = self.count()
        return self.count(Status.DONE, Status.FAILED) / total if total else None

    @property
    def is_idle(self) -> bool:
        """True if no scene or tile is PENDING, so that no worker can change the AOI."""
        return self.count(Status.PENDING) == 0


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the whole store, as it was at one moment."""

    #: its path on the server
    file: str
    #: when it was made, UTC
    made: datetime
    bytes: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: page `number`, counted from 0, of `limit` items each."""

    index: int
    limit: int


# ---- scenes and tiles to add

Origin = Literal["geometry", "wkt", "catalogue", "mgrs"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Footprint in WGS 84 longitude and latitude, in degrees.

    `geojson` is the text of a GeoJSON geometry (RFC 7946), with right-handed rings, cut at the antimeridian; `wkb` is the
    same geometry as well-known binary. `bounds` are the least longitude and latitude, then the greatest. `origin` is the
    source of the footprint. `note` describes repairs and guesses; it is empty for a footprint stored as sent.
    """

    geojson: str
    wkb: bytes
    bounds: tuple[float, float, float, float]
    origin: Origin
    note: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A tile that another follows or refers to, by source ids."""

    scene: str
    tile: str


@dataclass(frozen=True, slots=True)
class NewTile:
    """A tile of a scene to ingest. `previous` and `reference` are both there, or neither is."""

    source_id: str
    #: JSON text
    data: str
    previous: Link | None = None
    reference: Link | None = None
    geometry: Geometry | None = None


@dataclass(frozen=True, slots=True)
class NewScene:
    """A scene to ingest, with its tiles in an order in which links lead backwards."""

    source_id: str
    aoi: str
    #: JSON text
    data: str
    #: UTC; None if there is none
    date: datetime | None
    retry_count: int
    geometry: Geometry | None
    tiles: tuple[NewTile, ...]


@dataclass(frozen=True, slots=True)
class IngestOutcome:
    """Ids of the scenes of an ingestion, by source id."""

    #: new scenes
    added: Mapping[str, int]
    #: count of their tiles
    tiles: int
    #: scenes that the AOI already had
    existing: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SceneData:
    """The data of a scene: as JSON text, with its date (UTC; None if there is none) and the footprint in it, if any."""

    text: str
    date: datetime | None
    geometry: Geometry | None


@dataclass(frozen=True, slots=True)
class TileData:
    """The data of a tile, as JSON text."""

    text: str

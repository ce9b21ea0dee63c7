"""Loaded part of the dependency graph, with the changes made to it.

The working set performs no I/O. Reading an item or a neighbour that is not loaded raises `NotLoaded`; the engine rolls the
command back, loads the items of the request, and runs the command again. The state machine therefore sees one
complete graph and stays pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from workflow_monitor.domain.models import Item, Job, Scene, Tile
from workflow_monitor.domain.status import Cause, ItemKind, Status


@dataclass(slots=True)
class NotLoaded(Exception):
    """Ids of the items, and of the items whose neighbours, must be loaded before the command can run."""

    scenes: set[int] = field(default_factory=set)
    tiles: set[int] = field(default_factory=set)
    tiles_of: set[int] = field(default_factory=set)
    followers_of: set[int] = field(default_factory=set)
    referrers_of: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any((self.scenes, self.tiles, self.tiles_of, self.followers_of, self.referrers_of))


@dataclass(frozen=True, slots=True)
class Transition:
    """Entry of the event log: the state of an item after a change."""

    seq: int
    kind: ItemKind
    id: int
    aoi: int
    before: Status | None
    after: Status
    cause: Cause
    actor: str
    message: str
    attempt: int
    retries_left: int
    previous: int | None
    reference: int | None

    @property
    def changes_topology(self) -> bool:
        """True if the change adds, removes, relinks or redates nodes of the graph."""
        is_about_failed = (self.before is Status.FAILED) != (self.after is Status.FAILED)
        return self.before is None or is_about_failed or self.cause in (Cause.RELINKED, Cause.DATA)


@dataclass(slots=True)
class CountDelta:
    """Change of the counts per status of an AOI."""

    scenes: Counter[Status] = field(default_factory=Counter)
    tiles: Counter[Status] = field(default_factory=Counter)
    tiles_of_done_scenes: Counter[Status] = field(default_factory=Counter)


class WorkingSet:
    """Scenes and tiles with their links, and the changes since the last `collect_changes`."""

    def __init__(self, next_seq: int) -> None:
        #: None for an id that does not exist in the store
        self._scenes: dict[int, Scene | None] = {}
        self._tiles: dict[int, Tile | None] = {}
        self._tiles_of: defaultdict[int, set[int]] = defaultdict(set)
        self._followers: defaultdict[int, set[int]] = defaultdict(set)
        self._referrers: defaultdict[int, set[int]] = defaultdict(set)
        self._tiles_loaded: set[int] = set()
        self._followers_loaded: set[int] = set()
        self._referrers_loaded: set[int] = set()
        self.actor = ""
        self._next_seq = next_seq
        self._begin()

    def _begin(self) -> None:
        self._undo: list[tuple[Item, str, object]] = []
        self._changes: list[Transition] = []
        self._jobs: list[Job] = []
        self._withdrawn: list[int] = []
        #: status before the first change; None for a new item
        self._status_before: dict[tuple[ItemKind, int], Status | None] = {}
        self._touched: dict[tuple[ItemKind, int], Item] = {}

    def __len__(self) -> int:
        return len(self._scenes) + len(self._tiles)

    @property
    def next_seq(self) -> int:
        """Sequence number of the next log entry."""
        return self._next_seq

    def allocate_seq(self) -> int:
        """Allocate a sequence number for an event that concerns no item."""
        self._next_seq += 1
        return self._next_seq - 1

    # ---- loading

    def missing_from(self, request: NotLoaded) -> NotLoaded:
        """Return the part of a request that is not loaded."""
        return NotLoaded(
            {scene_id for scene_id in request.scenes if scene_id not in self._scenes},
            {tile_id for tile_id in request.tiles if tile_id not in self._tiles},
            request.tiles_of - self._tiles_loaded,
            request.followers_of - self._followers_loaded,
            request.referrers_of - self._referrers_loaded,
        )

    def add_scenes(self, scenes: Iterable[Scene]) -> None:
        """Add stored scenes; scenes already loaded keep their state."""
        for scene in scenes:
            self._scenes.setdefault(scene.id, scene)

    def add_tiles(self, tiles: Iterable[Tile]) -> None:
        """Add stored tiles; tiles already loaded keep their state."""
        for tile in tiles:
            if tile.id not in self._tiles:
                self._tiles[tile.id] = tile
                self._link(tile)

    def mark_loaded(self, loaded: NotLoaded) -> None:
        """Mark a request as complete: its ids that were not added do not exist."""
        for scene in loaded.scenes:
            self._scenes.setdefault(scene, None)
        for tile in loaded.tiles:
            self._tiles.setdefault(tile, None)
        self._tiles_loaded |= loaded.tiles_of
        self._followers_loaded |= loaded.followers_of
        self._referrers_loaded |= loaded.referrers_of

    def _link(self, tile: Tile) -> None:
        self._tiles_of[tile.scene].add(tile.id)
        if tile.previous is not None:
            self._followers[tile.previous].add(tile.id)
        if tile.reference is not None:
            self._referrers[tile.reference].add(tile.id)

    # ---- reading

    def scene(self, scene_id: int) -> Scene | None:
        """Return a scene, None if it does not exist."""
        if scene_id not in self._scenes:
            raise NotLoaded(scenes={scene_id})
        return self._scenes[scene_id]

    def tile(self, tile_id: int) -> Tile | None:
        """Return a tile, None if it does not exist."""
        if tile_id not in self._tiles:
            raise NotLoaded(tiles={tile_id})
        return self._tiles[tile_id]

    def item(self, kind: ItemKind, item_id: int) -> Item | None:
        """Return a scene or tile, None if it does not exist."""
        return self.scene(item_id) if kind is ItemKind.SCENE else self.tile(item_id)

    def scene_of(self, tile: Tile) -> Scene:
        """Return the scene that owns a tile; raise LookupError if the store has lost it."""
        scene = self.scene(tile.scene)
        if scene is None:
            raise LookupError(f"tile {tile.id} belongs to scene {tile.scene}, which is not there")
        return scene

    def previous_of(self, tile: Tile) -> Tile | None:
        """Return the previous tile, None for the first of a chain."""
        if tile.previous is not None and tile.previous not in self._tiles:
            links = {sibling.previous for sibling in self._siblings(tile) if sibling.previous is not None}
            raise self.missing_from(NotLoaded(tiles=links))
        return None if tile.previous is None else self.tile(tile.previous)

    def tiles_of(self, scene: Scene) -> list[Tile]:
        """Return the tiles of a scene in order of id."""
        if scene.id not in self._tiles_loaded:
            raise NotLoaded(tiles_of={scene.id})
        return self._by_id(self._tiles_of[scene.id])

    def followers_of(self, tile: Tile) -> list[Tile]:
        """Return the tiles whose previous tile this is, in order of id."""
        if tile.id not in self._followers_loaded:
            raise self._neighbours_of_siblings(tile)
        return self._by_id(self._followers[tile.id])

    def referrers_of(self, tile: Tile) -> list[Tile]:
        """Return the tiles whose reference tile this is, in order of id."""
        if tile.id not in self._referrers_loaded:
            raise self._neighbours_of_siblings(tile)
        return self._by_id(self._referrers[tile.id])

    def _siblings(self, tile: Tile) -> list[Tile]:
        """The tiles of one scene start and fail together, so that one load fetches the neighbours of all."""
        return self._by_id(self._tiles_of[tile.scene])

    def _neighbours_of_siblings(self, tile: Tile) -> NotLoaded:
        siblings = {sibling.id for sibling in self._siblings(tile)}
        return self.missing_from(NotLoaded(followers_of=siblings, referrers_of=siblings))

    def _by_id(self, ids: Collection[int]) -> list[Tile]:
        return [tile for tile_id in sorted(ids) if (tile := self._tiles[tile_id]) is not None]

    # ---- changing

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Roll back all changes made within the context if it raises."""
        marks = len(self._undo), len(self._changes), len(self._jobs), len(self._withdrawn), self._next_seq
        touched = len(self._touched)
        try:
            yield
        except BaseException:
            undo, changes, jobs, withdrawn, self._next_seq = marks
            for item, name, value in reversed(self._undo[undo:]):
                self._put(item, name, value)
            del self._undo[undo:], self._changes[changes:], self._jobs[jobs:], self._withdrawn[withdrawn:]
            while len(self._touched) > touched:
                self._touched.popitem()
                self._status_before.popitem()
            raise

    def set(self, item: Item, **values: object) -> None:
        """Set fields of an item."""
        self._require_counted(item, values.get("status", item.status))
        key = item.kind, item.id
        if key not in self._touched:
            self._touched[key] = item
            self._status_before[key] = item.status
        for name, value in values.items():
            old = getattr(item, name)
            if old != value:
                self._undo.append((item, name, old))
                self._put(item, name, value)

    def _require_counted(self, item: Item, status: object) -> None:
        """Raise NotLoaded unless the items are loaded that the counts of the AOI depend on."""
        if isinstance(item, Tile):
            self.scene(item.scene)
        elif (item.status is Status.DONE) != (status is Status.DONE):
            self.tiles_of(item)

    def _put(self, item: Item, name: str, value: object) -> None:
        index = {"previous": self._followers, "reference": self._referrers}.get(name)
        if index is not None:
            old = getattr(item, name)
            if old is not None:
                index[old].discard(item.id)
            if isinstance(value, int):
                index[value].add(item.id)
        setattr(item, name, value)

    def create(self, item: Item) -> None:
        """Add a new item. A savepoint does not roll it back: check the input first."""
        key = item.kind, item.id
        self._touched[key] = item
        self._status_before[key] = None
        if isinstance(item, Scene):
            self._scenes[item.id] = item
            self._tiles_loaded.add(item.id)
        else:
            self._tiles[item.id] = item
            self._followers_loaded.add(item.id)
            self._referrers_loaded.add(item.id)
            self._link(item)

    def log_transition(self, item: Item, before: Status | None, cause: Cause, message: str | None = None) -> int:
        """Log the state of an item, and return the sequence number of the entry.

        The log keeps `message` even if the item does not.
        """
        seq = self._next_seq
        self._next_seq += 1
        previous, reference = (item.previous, item.reference) if isinstance(item, Tile) else (None, None)
        self._changes.append(
            Transition(
                seq,
                item.kind,
                item.id,
                item.aoi,
                before,
                item.status,
                cause,
                self.actor,
                item.message if message is None else message,
                item.attempt,
                item.retries_left,
                previous,
                reference,
            )
        )
        return seq

    def enqueue_job(self, job: Job) -> None:
        """Add a job to the outbox."""
        self._jobs.append(job)

    def cancel_job(self, job: int | None) -> None:
        """Withdraw a job from the queue; None is ignored."""
        if job is not None:
            self._withdrawn.append(job)

    # ---- storing

    def collect_changes(self) -> ChangeSet:
        """Return all changes since the last call, and clear the record."""
        changes = ChangeSet(
            new_scenes=[],
            new_tiles=[],
            scenes=[],
            tiles=[],
            log=self._changes,
            jobs=self._jobs,
            withdrawn=self._withdrawn,
            workload=self._workload(),
        )
        for key, item in self._touched.items():
            is_new = self._status_before[key] is None
            if isinstance(item, Scene):
                (changes.new_scenes if is_new else changes.scenes).append(item)
            else:
                (changes.new_tiles if is_new else changes.tiles).append(item)
        self._begin()
        return changes

    def _workload(self) -> dict[int, CountDelta]:
        workload: defaultdict[int, CountDelta] = defaultdict(CountDelta)
        for (kind, _), item in self._touched.items():
            before = self._status_before[kind, item.id]
            counts = workload[item.aoi].scenes if kind is ItemKind.SCENE else workload[item.aoi].tiles
            _move(counts, before, item.status)
            if isinstance(item, Scene):
                self._count_scene_done(item, before, workload[item.aoi].tiles_of_done_scenes)
            elif self._scenes[item.scene] is not None:
                self._count_tile(item, before, workload[item.aoi].tiles_of_done_scenes)
        return workload

    def _count_scene_done(self, scene: Scene, before: Status | None, counts: Counter[Status]) -> None:
        """Add or remove the tiles of a scene that enters or leaves DONE, by their status before the change."""
        was, is_done = before is Status.DONE, scene.status is Status.DONE
        if before is None or was == is_done:
            return
        for tile in self.tiles_of(scene):
            status = self._status_before.get((ItemKind.TILE, tile.id), tile.status)
            if status is not None:
                counts[status] += 1 if is_done else -1

    def _count_tile(self, tile: Tile, before: Status | None, counts: Counter[Status]) -> None:
        """Move a changed tile to its new status if its scene is DONE."""
        scene = self._scenes[tile.scene]
        if scene is not None and scene.status is Status.DONE:
            _move(counts, before, tile.status)


def _move(counts: Counter[Status], before: Status | None, after: Status) -> None:
    if before is not None:
        counts[before] -= 1
    counts[after] += 1


@dataclass(slots=True)
class ChangeSet:
    """Changes that one transaction writes."""

    new_scenes: list[Scene]
    new_tiles: list[Tile]
    #: existing scenes and tiles in their new state
    scenes: list[Scene]
    tiles: list[Tile]
    log: list[Transition]
    jobs: list[Job]
    #: ids of cancelled jobs
    withdrawn: list[int]
    #: by AOI
    workload: dict[int, CountDelta]

    @property
    def changed_topology(self) -> set[int]:
        """Ids of the AOIs whose nodes were added, removed (FAILED nodes count as removed), relinked or redated."""
        return {change.aoi for change in self.log if change.changes_topology}

    def __bool__(self) -> bool:
        return bool(self.new_scenes or self.new_tiles or self.scenes or self.tiles or self.log)

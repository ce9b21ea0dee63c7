"""The part of the dependency graph that commands are carried out on.

A Neighbourhood holds the items that were loaded, how they hang together, and what has become of them. It never
loads anything itself: a transition that needs more than is there is told so by `NotLoaded`, and whoever
carries it out loads that and has it done again. So the transitions see one whole graph and stay pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from workflow_monitor.domain.models import Item, Job, Scene, Tile
from workflow_monitor.domain.status import Cause, ItemKind, Status


@dataclass(slots=True)
class NotLoaded(Exception):
    """What has to be loaded before the transition can be decided, by id."""

    scenes: set[int] = field(default_factory=set)
    tiles: set[int] = field(default_factory=set)
    tiles_of: set[int] = field(default_factory=set)
    followers_of: set[int] = field(default_factory=set)
    referrers_of: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any((self.scenes, self.tiles, self.tiles_of, self.followers_of, self.referrers_of))


class _DryRun(Exception):
    """What was rehearsed is to be undone."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One entry of the event log: an item as it was after something had happened to it."""

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
        """Whether the graph has another shape, or other dates, after it."""
        is_about_failed = (self.before is Status.FAILED) != (self.after is Status.FAILED)
        return self.before is None or is_about_failed or self.cause in (Cause.HAND_OVER, Cause.DATA)


@dataclass(slots=True)
class CountDelta:
    """By how much the numbers of an AOI's items in each status change."""

    scenes: Counter[Status] = field(default_factory=Counter)
    tiles: Counter[Status] = field(default_factory=Counter)
    tiles_of_done_scenes: Counter[Status] = field(default_factory=Counter)


class WorkingSet:
    """Scenes and tiles with their links, and the record of what was done to them since the last `take`."""

    def __init__(self, next_seq: int) -> None:
        #: None stands for an id that is known not to exist
        self._scenes: dict[int, Scene | None] = {}
        self._tiles: dict[int, Tile | None] = {}
        self._tiles_of: defaultdict[int, set[int]] = defaultdict(set)
        self._followers: defaultdict[int, set[int]] = defaultdict(set)
        self._referrers: defaultdict[int, set[int]] = defaultdict(set)
        self._tiles_known: set[int] = set()
        self._followers_known: set[int] = set()
        self._referrers_known: set[int] = set()
        self.actor = ""
        self._next_seq = next_seq
        self._begin()

    def _begin(self) -> None:
        self._undo: list[tuple[Item, str, object]] = []
        self._changes: list[Transition] = []
        self._jobs: list[Job] = []
        self._withdrawn: list[int] = []
        #: the status before the first change; None of what is new
        self._status_before: dict[tuple[ItemKind, int], Status | None] = {}
        self._touched: dict[tuple[ItemKind, int], Item] = {}

    def __len__(self) -> int:
        return len(self._scenes) + len(self._tiles)

    @property
    def next_seq(self) -> int:
        """The number that the next entry of the log will have."""
        return self._next_seq

    def allocate_seq(self) -> int:
        """Use up a number for an entry that is not of an item."""
        self._next_seq += 1
        return self._next_seq - 1

    # ---- what the loader puts in

    def missing_from(self, wanted: NotLoaded) -> NotLoaded:
        """Of what is wanted, that which has not been loaded."""
        return NotLoaded(
            {number for number in wanted.scenes if number not in self._scenes},
            {number for number in wanted.tiles if number not in self._tiles},
            wanted.tiles_of - self._tiles_known,
            wanted.followers_of - self._followers_known,
            wanted.referrers_of - self._referrers_known,
        )

    def add_scenes(self, scenes: Iterable[Scene]) -> None:
        """Take in scenes as they are stored; those that are here already stay as they are."""
        for scene in scenes:
            self._scenes.setdefault(scene.id, scene)

    def add_tiles(self, tiles: Iterable[Tile]) -> None:
        """Take in tiles as they are stored; those that are here already stay as they are."""
        for tile in tiles:
            if tile.id not in self._tiles:
                self._tiles[tile.id] = tile
                self._link(tile)

    def mark_loaded(self, loaded: NotLoaded) -> None:
        """Note that all there is of `loaded` has been added: what is not here does not exist."""
        for scene in loaded.scenes:
            self._scenes.setdefault(scene, None)
        for tile in loaded.tiles:
            self._tiles.setdefault(tile, None)
        self._tiles_known |= loaded.tiles_of
        self._followers_known |= loaded.followers_of
        self._referrers_known |= loaded.referrers_of

    def _link(self, tile: Tile) -> None:
        self._tiles_of[tile.scene].add(tile.id)
        if tile.previous is not None:
            self._followers[tile.previous].add(tile.id)
        if tile.reference is not None:
            self._referrers[tile.reference].add(tile.id)

    # ---- what the transitions read

    def scene(self, number: int) -> Scene | None:
        """The scene of this id, None if there is none."""
        if number not in self._scenes:
            raise NotLoaded(scenes={number})
        return self._scenes[number]

    def tile(self, number: int) -> Tile | None:
        """The tile of this id, None if there is none."""
        if number not in self._tiles:
            raise NotLoaded(tiles={number})
        return self._tiles[number]

    def item(self, kind: ItemKind, number: int) -> Item | None:
        """The scene or tile of this id, None if there is none."""
        return self.scene(number) if kind is ItemKind.SCENE else self.tile(number)

    def scene_of(self, tile: Tile) -> Scene:
        """The scene that a tile belongs to."""
        scene = self.scene(tile.scene)
        if scene is None:
            raise LookupError(f"tile {tile.id} belongs to scene {tile.scene}, which is not there")
        return scene

    def previous_of(self, tile: Tile) -> Tile | None:
        """The tile before this one."""
        return None if tile.previous is None else self.tile(tile.previous)

    def tiles_of(self, scene: Scene) -> list[Tile]:
        """The tiles of a scene by id."""
        if scene.id not in self._tiles_known:
            raise NotLoaded(tiles_of={scene.id})
        return self._by_id(self._tiles_of[scene.id])

    def followers_of(self, tile: Tile) -> list[Tile]:
        """The tiles whose previous tile this is, by id."""
        if tile.id not in self._followers_known:
            raise NotLoaded(followers_of={tile.id})
        return self._by_id(self._followers[tile.id])

    def referrers_of(self, tile: Tile) -> list[Tile]:
        """The tiles whose reference tile this is, by id."""
        if tile.id not in self._referrers_known:
            raise NotLoaded(referrers_of={tile.id})
        return self._by_id(self._referrers[tile.id])

    def _by_id(self, numbers: Collection[int]) -> list[Tile]:
        return [tile for number in sorted(numbers) if (tile := self._tiles[number]) is not None]

    def ensure_loaded(self, wanted: NotLoaded) -> None:
        """Raise Missing with all that is lacking at once, so that it is loaded in one go."""
        if lacking := self.missing_from(wanted):
            raise lacking

    # ---- what the transitions do

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Do all within or, if it raises, nothing."""
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

    @contextmanager
    def dry_run(self) -> Iterator[list[Transition]]:
        """Do all within, list what it leaves in the log, and undo it."""
        foreseen: list[Transition] = []
        with suppress(_DryRun), self.savepoint():
            before = len(self._changes)
            yield foreseen
            foreseen += self._changes[before:]
            raise _DryRun

    def set(self, item: Item, **values: object) -> None:
        """Change fields of an item."""
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
        """The workload of the AOI counts tiles by their scenes: these have to be here when a status changes."""
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
        """Add an item that was not there before. It cannot be undone: check everything first."""
        key = item.kind, item.id
        self._touched[key] = item
        self._status_before[key] = None
        if isinstance(item, Scene):
            self._scenes[item.id] = item
            self._tiles_known.add(item.id)
        else:
            self._tiles[item.id] = item
            self._followers_known.add(item.id)
            self._referrers_known.add(item.id)
            self._link(item)

    def log_transition(self, item: Item, before: Status | None, cause: Cause, message: str | None = None) -> int:
        """Note what has become of an item; answers the sequence number of the entry.

        `message` is kept in the log even where the item does not keep it.
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
        """Put a job into the outbox."""
        self._jobs.append(job)

    def cancel_job(self, job: int | None) -> None:
        """Take a job back: nobody shall start it any more."""
        if job is not None:
            self._withdrawn.append(job)

    # ---- what is to be stored

    def collect_changes(self) -> ChangeSet:
        """All that was done since the last take; the record starts anew."""
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
            numbers = workload[item.aoi].scenes if kind is ItemKind.SCENE else workload[item.aoi].tiles
            _move(numbers, before, item.status)
            if isinstance(item, Scene):
                self._count_scene_done(item, before, workload[item.aoi].tiles_of_done_scenes)
            elif self._scenes[item.scene] is not None:
                self._count_tile(item, before, workload[item.aoi].tiles_of_done_scenes)
        return workload

    def _count_scene_done(self, scene: Scene, before: Status | None, numbers: Counter[Status]) -> None:
        """Tiles come and go with their scene as it becomes DONE or is no longer; in the status they had before."""
        was, is_done = before is Status.DONE, scene.status is Status.DONE
        if before is None or was == is_done:
            return
        for tile in self.tiles_of(scene):
            status = self._status_before.get((ItemKind.TILE, tile.id), tile.status)
            if status is not None:
                numbers[status] += 1 if is_done else -1

    def _count_tile(self, tile: Tile, before: Status | None, numbers: Counter[Status]) -> None:
        """A tile that changed counts in its new status if its scene is DONE now."""
        scene = self._scenes[tile.scene]
        if scene is not None and scene.status is Status.DONE:
            _move(numbers, before, tile.status)


def _move(numbers: Counter[Status], before: Status | None, after: Status) -> None:
    if before is not None:
        numbers[before] -= 1
    numbers[after] += 1


@dataclass(slots=True)
class ChangeSet:
    """What a transaction has to write."""

    new_scenes: list[Scene]
    new_tiles: list[Tile]
    #: scenes and tiles that were there before, as they are now
    scenes: list[Scene]
    tiles: list[Tile]
    log: list[Transition]
    jobs: list[Job]
    #: ids of jobs that nobody shall start any more
    withdrawn: list[int]
    #: by AOI
    workload: dict[int, CountDelta]

    @property
    def changed_topology(self) -> set[int]:
        """The AOIs in which tiles have come or gone (what is FAILED is gone), or been linked or dated anew."""
        return {change.aoi for change in self.log if change.changes_topology}

    def __bool__(self) -> bool:
        return bool(self.new_scenes or self.new_tiles or self.scenes or self.tiles or self.log)

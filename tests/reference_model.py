"""Reference model of the workflow, written from the specification: slow and small.

It shares no code with the package's state machine and store. A command takes effect as a whole, or raises Refused and
changes nothing. Ids of scenes and tiles count from 1 in the order of ingestion.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from workflow_monitor.domain.status import ItemKind, Status, aoi_status

NEW, PENDING, DONE, RETRY, FAILED = Status.NEW, Status.PENDING, Status.DONE, Status.RETRY, Status.FAILED
SCENE, TILE = ItemKind.SCENE, ItemKind.TILE


class Refused(Exception):
    """A command was not carried out; `codes` are the errors that may be answered."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = frozenset(codes)


def allow(condition: bool, code: str = "status-does-not-allow") -> None:
    if not condition:
        raise Refused(code)


class Key(NamedTuple):
    """Names a scene or tile."""

    kind: ItemKind
    id: int


class Link(NamedTuple):
    """Names a tile by source ids."""

    scene: str
    tile: str


class Job(NamedTuple):
    """Dispatch of an item; `previous` and `reference` are the tiles in its message."""

    kind: ItemKind
    item: int
    attempt: int
    previous: int | None
    reference: int | None


class Answer(NamedTuple):
    """Outcome of a result."""

    outcome: str
    status: Status | None


class ModelResult(NamedTuple):
    """Result of a worker."""

    kind: ItemKind
    id: int
    status: Status
    message: str = ""
    attempt: int | None = None


@dataclass
class Item:
    """A scene or a tile; `scene`, `previous` and `reference` are None for a scene."""

    kind: ItemKind
    id: int
    aoi: str
    name: str
    countdown: int
    status: Status = NEW
    message: str = ""
    attempt: int = 0
    scene: int | None = None
    previous: int | None = None
    reference: int | None = None


@dataclass
class NewScene:
    """A scene to ingest, with the (previous, reference) links of its tiles by name; both or none. They lead backwards."""

    name: str
    countdown: int
    tiles: Mapping[str, tuple[Link, Link] | None]


@dataclass
class Model:
    """The AOIs, scenes and tiles, and every job that was ever published."""

    aois: set[str] = field(default_factory=set)
    items: dict[Key, Item] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    #: expiry time of each job that had a lease
    leases: dict[Job, float] = field(default_factory=dict)
    numbers: Counter[ItemKind] = field(default_factory=Counter)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Apply the block as a whole, or nothing if it raises."""
        items = {key: copy.copy(item) for key, item in self.items.items()}
        jobs, numbers = len(self.jobs), self.numbers.copy()
        try:
            yield
        except Refused:
            self.items, self.numbers = items, numbers
            del self.jobs[jobs:]
            raise

    # --- looking

    def scenes(self, aoi: str | None = None) -> list[Item]:
        return self._of_kind(SCENE, aoi)

    def tiles(self, aoi: str | None = None) -> list[Item]:
        return self._of_kind(TILE, aoi)

    def _of_kind(self, kind: ItemKind, aoi: str | None) -> list[Item]:
        # they were added in the order of their numbers
        return [item for key, item in self.items.items() if key[0] is kind and (aoi is None or item.aoi == aoi)]

    def tiles_of(self, scene: Item) -> list[Item]:
        return [t for t in self.tiles() if t.scene == scene.id]

    def followers(self, tile: Item) -> list[Item]:
        return [t for t in self.tiles() if t.previous == tile.id]

    def previous(self, tile: Item) -> Item | None:
        return None if tile.previous is None else self.items[Key(TILE, tile.previous)]

    def scene_of(self, tile: Item) -> Item:
        assert tile.scene is not None
        return self.items[Key(SCENE, tile.scene)]

    def find(self, kind: ItemKind, item_id: int) -> Item:
        allow(Key(kind, item_id) in self.items, f"{kind}-not-found")
        return self.items[Key(kind, item_id)]

    def find_link(self, aoi: str, link: Link) -> Item | None:
        return next((t for t in self.tiles(aoi) if Link(self.scene_of(t).name, t.name) == link), None)

    def matching(self, pattern: str) -> set[str]:
        """The AOIs of this pattern: `*` any text, `?` one character, the suffix `(?i)` for any case."""
        stem = pattern.removesuffix("(?i)")
        if stem == pattern and not set("*?") & set(pattern):
            allow(pattern in self.aois, "aoi-not-found")
            return {pattern}
        expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in stem)
        flags = re.DOTALL | (re.IGNORECASE if stem != pattern else 0)
        return {aoi for aoi in self.aois if re.fullmatch(expression, aoi, flags)}

    def counters(self, aoi: str) -> tuple[Counter[Status], Counter[Status], Counter[Status]]:
        """Return the counts of scenes, tiles, and tiles of DONE scenes in each status."""
        return (
            Counter(s.status for s in self.scenes(aoi)),
            Counter(t.status for t in self.tiles(aoi)),
            Counter(t.status for t in self.tiles(aoi) if self.scene_of(t).status is DONE),
        )

    def status(self, aoi: str) -> Status:
        return aoi_status(*self.counters(aoi))

    def current(self) -> set[Job]:
        """Return the unfinished jobs."""
        pending = {(i.kind, i.id, i.attempt) for i in self.items.values() if i.status is PENDING}
        return {job for job in self.jobs if job[:3] in pending}

    # --- AOIs and ingestion

    def create(self, aoi: str) -> None:
        allow(aoi not in self.aois, "aoi-exists")
        self.aois.add(aoi)

    def delete(self, aoi: str) -> None:
        allow(aoi in self.aois, "aoi-not-found")
        self.aois.remove(aoi)
        self.items = {k: i for k, i in self.items.items() if i.aoi != aoi}

    def ingest(self, aoi: str, scenes: Sequence[NewScene]) -> list[int]:
        allow(aoi in self.aois, "aoi-not-found")
        present = {s.name for s in self.scenes(aoi)}
        allow(not any(s.name in present for s in scenes), "scene-exists")
        problems: set[str] = set()
        with self.whole():
            added = [self._add(aoi, scene, problems) for scene in scenes]
            if problems:
                raise Refused(*problems)
        return added

    def _add(self, aoi: str, new: NewScene, problems: set[str]) -> int:
        scene = self._number(Item(SCENE, 0, aoi, new.name, new.countdown))
        for name, links in new.tiles.items():
            tile = self._number(Item(TILE, 0, aoi, name, new.countdown, scene=scene.id))
            ends = [self.find_link(aoi, link) for link in links or ()]
            problems |= {"invalid-input" for end in ends if end is None}
            problems |= {"conflict" for end in ends if end is not None and end.status is FAILED}
            if ends and None not in ends:
                tile.previous, tile.reference = (end.id for end in ends if end is not None)
        self._dispatch(scene)
        return scene.id

    def _number(self, item: Item) -> Item:
        self.numbers[item.kind] += 1
        item.id = self.numbers[item.kind]
        self.items[Key(item.kind, item.id)] = item
        return item

    # --- dispatch

    def _dispatch(self, item: Item, *, with_reference: bool = True) -> None:
        item.status, item.message, item.attempt = PENDING, "", item.attempt + 1
        reference = item.reference if with_reference else None
        self.jobs.append(Job(item.kind, item.id, item.attempt, item.previous, reference))

    def _previous_is_done(self, tile: Item) -> bool:
        previous = self.previous(tile)
        return previous is None or previous.status is DONE

    def _start(self, tiles: Iterable[Item], *, by_scene: bool = False) -> None:
        """Dispatch the NEW tiles that are ready."""
        for tile in tiles:
            if tile.status is NEW and self.scene_of(tile).status is DONE and self._previous_is_done(tile):
                self._dispatch(tile, with_reference=not (by_scene and tile.previous is None))

    def _again(self, item: Item) -> None:
        """Dispatch again, at the cost of a retry."""
        allow(item.kind is SCENE or self._previous_is_done(item))
        item.countdown -= 1
        self._dispatch(item)

    def _done(self, item: Item) -> None:
        item.status, item.message = DONE, ""
        if item.kind is SCENE:
            self._start(self.tiles_of(item), by_scene=True)
        else:
            self._start(self.followers(item))

    # --- failing

    def _failed(self, item: Item) -> None:
        if item.kind is TILE:
            self._tile_failed(item)
            return
        tiles = self.tiles_of(item)
        allow(all(tile.status is NEW for tile in tiles))
        item.status = FAILED
        for tile in tiles:
            self._tile_failed(tile)

    def _tile_failed(self, tile: Item) -> None:
        followers, before = self.followers(tile), self.previous(tile)
        allow(all(follower.status is NEW for follower in followers))
        if before is not None:
            scene = self.scene_of(before)
            allow(before.status is not FAILED and (scene.status is not FAILED or scene.id == tile.scene))
        tile.status, tile.previous = FAILED, None
        for follower in followers:
            follower.previous = None if before is None else before.id
        self._hand_over_reference(tile, followers)
        self._start(followers)

    def _hand_over_reference(self, tile: Item, followers: list[Item]) -> None:
        referring = [t for t in self.tiles() if t.reference == tile.id]
        heirs = followers or [t for t in referring if t.status is not FAILED]
        for other in referring:
            other.reference = heirs[0].id if heirs and other is not heirs[0] else tile.reference
            if other.reference == other.id:
                other.reference = None

    # --- results

    def report(self, results: Iterable[ModelResult]) -> list[Answer]:
        return [self._result(result) for result in results]

    def _result(self, result: ModelResult) -> Answer:
        item = self.items.get(Key(result.kind, result.id))
        if item is None:
            return Answer("unknown", None)
        if result.attempt is not None and result.attempt != item.attempt:
            return Answer("stale" if result.attempt < item.attempt else "refused", item.status)
        if result.status is item.status:
            return Answer("unchanged", item.status)
        if item.status not in (PENDING, RETRY) or result.status in (NEW, PENDING):
            return Answer("refused", item.status)
        try:
            with self.whole():
                self._apply(item, result)
        except Refused:
            return Answer("refused", self.items[Key(result.kind, result.id)].status)
        return Answer("applied", item.status)

    def _apply(self, item: Item, result: ModelResult) -> None:
        if result.status is DONE:
            self._done(item)
        elif result.status is FAILED:
            self._failed(item)
            item.message = result.message
        elif item.countdown > 0:
            self._again(item)
        else:
            item.status, item.message = RETRY, result.message

    # --- commands of users

    def retry(self, kind: ItemKind, item_id: int) -> None:
        with self.whole():
            self._retry(self.find(kind, item_id))

    def _retry(self, item: Item) -> None:
        allow(item.status is RETRY)
        allow(item.kind is SCENE or self.scene_of(item).status is DONE)
        self._again(item)

    def fail(self, kind: ItemKind, item_id: int, *, force: bool = False) -> None:
        with self.whole():
            item = self.find(kind, item_id)
            allow(force or item.status is RETRY)
            self._failed(item)

    def force(self, kind: ItemKind, item_id: int, status: Status) -> None:
        with self.whole():
            item = self.find(kind, item_id)
            if status is PENDING:
                self._again(item)
            elif status is DONE:
                self._done(item)
            elif status is FAILED:
                self._failed(item)
            else:
                item.status = status

    def retry_aoi(self, pattern: str, *, force: bool = False) -> tuple[int, int]:
        aois, statuses = self.matching(pattern), {RETRY, PENDING} if force else {RETRY}
        with self.whole():
            scenes = [s for s in self.scenes() if s.aoi in aois and s.status in statuses]
            tiles = [t for t in self.tiles() if t.aoi in aois and t.status in statuses]
            for item in (*scenes, *tiles):
                self._again(item) if force else self._retry(item)
        return len(scenes), len(tiles)

    # --- leases

    def was_leased(self, job: Job) -> bool:
        return job in self.leases

    def lease(self, kind: ItemKind, limit: int, until: float) -> list[Job]:
        """Lease the oldest jobs without a lease."""
        current = self.current()
        jobs = [job for job in self.jobs if job.kind is kind and job in current and job not in self.leases][:limit]
        self.leases |= dict.fromkeys(jobs, until)
        return jobs

    def renew(self, job: Job, now: float, until: float) -> None:
        allow(job in self.current() and self.leases.get(job, now) > now, "lease-not-found")
        self.leases[job] = until

    def expire(self, now: float) -> int:
        """Requeue the jobs with an expired lease; the worker may still run."""
        current = self.current()
        late = [job for job in self.jobs if job in current and self.leases.get(job, now + 1) <= now]
        for job in late:
            self.dispatch_again(job.kind, job.item)
        return len(late)

    def dispatch_again(self, kind: ItemKind, item_id: int) -> None:
        """Requeue an item with an expired lease."""
        item = self.find(kind, item_id)
        allow(item.status is PENDING)
        self._dispatch(item)

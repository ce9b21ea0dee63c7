"""Queries: reads of the committed state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from workflow_monitor.documents.waiting import MAX_STEPS
from workflow_monitor.domain import state_machine
from workflow_monitor.domain.causes import Reason, Step, find_causes
from workflow_monitor.domain.commands import FailItem
from workflow_monitor.domain.errors import AOINotFound, ItemNotFound
from workflow_monitor.domain.failures import FailureGroup, group_failures
from workflow_monitor.domain.glob import compile_pattern, is_pattern
from workflow_monitor.domain.models import AOI, AOISummary, Event, Item, Page, Tile
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind, Status
from workflow_monitor.domain.timeline import Timeline, timeline
from workflow_monitor.domain.working_set import Transition, WorkingSet
from workflow_monitor.engine import columnar, prefetch
from workflow_monitor.engine.columnar import Columns
from workflow_monitor.engine.lease_clock import last_event_time
from workflow_monitor.graph.dot import dot_lines
from workflow_monitor.graph.nodes import Subgraph
from workflow_monitor.store.interfaces import JobRow, Reader, RunningJob, SearchHit, Shape

if TYPE_CHECKING:
    import pyarrow as pa

    from workflow_monitor.graph.blockers import Blocker

WHOLE = Subgraph()


@dataclass(frozen=True, slots=True)
class JobList:
    """Counts of queued and leased jobs, and the requested page of jobs."""

    queued: int
    leased: int
    jobs: Iterator[list[JobRow]]


@dataclass(frozen=True, slots=True)
class WaitingStep:
    """An unfinished item, and its job if it waits for a worker; of the first `MAX_STEPS` causes only."""

    step: Step
    job: JobRow | None


class Queries:
    """Reads of the committed state, from any thread. Iterators may move between threads.

    For a `pattern`, an unknown plain name raises AOINotFound, and a pattern without a match returns nothing.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    # ---- AOIs

    def aois(self, pattern: str | None = None) -> list[tuple[str, Status]]:
        """Return names and statuses of the AOIs, or of the matching ones, by name."""
        matches = compile_pattern(pattern).matches if pattern is not None else lambda _: True
        return [(aoi.name, aoi.status) for aoi in self._reader.aois() if matches(aoi.name)]

    def has_aoi(self, name: str) -> bool:
        """Return True if an AOI has this name."""
        return self._reader.aoi(name) is not None

    def overview(self, name: str) -> AOISummary:
        """Return counts, status and dates of an AOI. Raises AOINotFound."""
        aoi = self._named(name)
        roots = self._reader.roots(aoi.id)
        days = (moment.date() if moment else None for moment in (roots.first, roots.last))
        return AOISummary(aoi.name, aoi.status, aoi.scenes, aoi.tiles, roots.count, *days)

    def workloads(self) -> list[AOI]:
        """Return all AOIs with their counts, by name."""
        return self._reader.aois()

    def _matching(self, pattern: str) -> list[int]:
        if not is_pattern(pattern):
            return [self._named(pattern).id]
        matches = compile_pattern(pattern).matches
        return [aoi.id for aoi in self._reader.aois() if matches(aoi.name)]

    def _named(self, name: str) -> AOI:
        if (aoi := self._reader.aoi(name)) is None:
            raise AOINotFound(name)
        return aoi

    # ---- scenes and tiles, as JSON texts

    def documents(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Return scenes, or tiles with their scenes, as JSON texts by id; missing ids are left out."""
        return self._reader.documents(kind, ids)

    def feature(self, kind: ItemKind, item_id: int) -> str:
        """Return a scene or tile as a GeoJSON feature. Raises ItemNotFound."""
        feature = self._reader.feature(kind, item_id)
        if feature is None:
            raise ItemNotFound(kind, item_id)
        return feature

    def scenes(
        self, pattern: str, status: Status | None = None, page: Page | None = None, shape: Shape = "document"
    ) -> Iterator[list[str]]:
        """Return the scenes of AOIs by id, in chunks."""
        return self._items(ItemKind.SCENE, pattern, status, page, shape)

    def tiles(
        self, pattern: str, status: Status | None = None, page: Page | None = None, shape: Shape = "document"
    ) -> Iterator[list[str]]:
        """Return the tiles of AOIs by id, in chunks."""
        return self._items(ItemKind.TILE, pattern, status, page, shape)

    def _items(
        self, kind: ItemKind, pattern: str, status: Status | None, page: Page | None, shape: Shape
    ) -> Iterator[list[str]]:
        return self._reader.items(kind, self._matching(pattern), _statuses(status), page, shape)

    def tiles_of_scene(self, scene_id: int, shape: Shape = "document") -> Iterator[list[str]]:
        """Return the tiles of a scene by id. Raises ItemNotFound."""
        if not self._reader.has_scene(scene_id):
            raise ItemNotFound(ItemKind.SCENE, scene_id)
        return self._reader.tiles_of(scene_id, shape)

    def root_tiles(self, name: str, shape: Shape = "short") -> Iterator[list[str]]:
        """Return the root tiles by id: not FAILED, without previous and reference tile."""
        return self._reader.root_tiles(self._named(name).id, shape)

    def leaf_tiles(self, name: str, shape: Shape = "short") -> Iterator[list[str]]:
        """Return the leaf tiles by id: not FAILED, without followers."""
        return self._reader.leaf_tiles(self._named(name).id, shape)

    def arrow(
        self, kind: ItemKind, pattern: str, status: Status | None = None, page: Page | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Return scenes or tiles as one or more Arrow record batches of one schema."""
        return self._reader.arrow(kind, self._matching(pattern), _statuses(status), page)

    def dot(self, pattern: str, part: Subgraph = WHOLE) -> Iterator[str]:
        """Return the dependency graph, or a part of it, as dot text, in chunks of whole lines.

        Raises ItemNotFound if the part is around an item that is not in these AOIs.
        """
        aois = self._matching(pattern)
        if part.around is not None and not self._reader.is_in(aois, *part.around):
            raise ItemNotFound(*part.around)
        return self._dot(pattern, aois, part)

    def _dot(self, name: str, aois: list[int], part: Subgraph) -> Iterator[str]:
        with self._reader.graph(aois, part) as graph:
            yield from dot_lines(name, graph, str(part))

    def names(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Return the source ids of existing scenes or tiles by id."""
        return self._reader.names(kind, ids)

    def find(self, name: str, text: str, limit: int) -> tuple[int, list[SearchHit]]:
        """Return the count of the scenes and tiles with a text as id or within the source id, and the first of them."""
        return self._reader.find(self._named(name).id, text, limit)

    def failures(self, name: str, limit: int | None = None) -> list[FailureGroup]:
        """Return the failed items of an AOI by message template; `limit` caps the items of each kind and status."""
        return group_failures(self._reader.failures(self._named(name).id, limit))

    def preview_fail(self, kind: ItemKind, item_id: int) -> list[Transition]:
        """Return the log entries that failing an item by force would leave, in order.

        Raises ItemNotFound, or InvalidTransition if the item cannot be failed. Sequence numbers start at 1.
        """
        graph = WorkingSet(next_seq=1)
        with self._reader.item_rows() as rows:
            prefetch.prefetch(graph, rows, [FailItem(kind, item_id, force=True)])
            prefetch.run(graph, rows, state_machine.fail, kind, item_id, by_force=True)
        return graph.collect_changes().log

    def why(self, kind: ItemKind, item_id: int) -> tuple[Item, list[WaitingStep]]:
        """Return an item, and the unfinished items from it down to the causes of its waiting. Raises ItemNotFound."""
        graph = WorkingSet(next_seq=1)
        with self._reader.item_rows() as rows:
            item = prefetch.run(graph, rows, WorkingSet.item, kind, item_id)
            if item is None:
                raise ItemNotFound(kind, item_id)
            if isinstance(item, Tile):
                prefetch.load_place(graph, rows, item)
            steps = prefetch.run(graph, rows, find_causes, item)
        listed = list(islice((step for step in steps if step.reason is not None), MAX_STEPS))
        jobs = {step.item.job: self._job(step) for step in listed if step.reason is Reason.JOB}
        return item, [WaitingStep(step, jobs.get(step.item.job)) for step in steps]

    def _job(self, step: Step) -> JobRow | None:
        jobs = (job for part in self._reader.jobs(step.item.kind, "", None, step.item.id) for job in part)
        return next((job for job in jobs if job.id == step.item.job), None)

    def blockers(self, name: str, limit: int) -> list[tuple[Item, Blocker]]:
        """Return the items of an AOI whose repair lets most tiles start. Raises AOINotFound."""
        first = columnar.blockers(*self._reader.unfinished(self._named(name).id))[:limit]
        with self._reader.item_rows() as rows:
            scenes = rows.scenes([one.id for one in first if one.kind is ItemKind.SCENE])
            tiles = rows.tiles([one.id for one in first if one.kind is ItemKind.TILE])
        found: list[Item] = [*scenes, *tiles]
        items = {(item.kind, item.id): item for item in found}
        # a repaired item has left since
        return [(items[one.kind, one.id], one) for one in first if (one.kind, one.id) in items]

    # ---- drawings

    def footprints(self, kind: ItemKind, name: str) -> Columns:
        """Return the scenes or tiles of an AOI with the outlines of their footprints."""
        return columnar.footprints(kind, self._reader.footprints(kind, self._named(name).id))

    def lanes(self, name: str) -> Columns:
        """Return the tiles of an AOI at their places in the lanes of the dependency graph."""
        return columnar.lanes(*self._reader.lanes(self._named(name).id), partial(self._reader.names, ItemKind.TILE))

    def timeline(
        self, name: str, since: datetime | None, until: datetime, steps: int, running: int
    ) -> tuple[Timeline, int, list[RunningJob]]:
        """Return counts per status over time, the count of PENDING items, and `running` of them, leased ones first.

        The range starts at `since`, or at the first kept event, and ends at `until`.
        """
        course = self._reader.activity(self._named(name).id, since, until, steps, running)
        return timeline(course.span, course.now, course.flows), course.pending, course.running

    # ---- jobs and events

    def jobs(self, queue: str, state: str | None = None, page: Page | None = None, item: int | None = None) -> JobList:
        """Return the jobs of a queue, `queued`, `leased` or both; only the jobs of one scene or tile with `item`.

        `queued` includes jobs that were withdrawn before a lease, until they are pruned.
        """
        kind = QUEUE_KINDS[queue]
        return JobList(*self._reader.backlog(kind), self._reader.jobs(kind, state or "", page, item))

    def events(self, after: int, name: str | None, limit: int) -> list[Event]:
        """Return the events after a sequence number, of one AOI or of all; an unknown AOI has none."""
        if name is None:
            return self._reader.events(after, None, limit)
        aoi = self._reader.aoi(name)
        return [] if aoi is None else self._reader.events(after, aoi.id, limit)

    def oldest_event(self) -> int:
        """Return the smallest kept sequence number, 0 without events."""
        return self._reader.event_bounds()[0]

    def newest_event(self) -> int:
        """Return the greatest sequence number, 0 without events."""
        return self._reader.event_bounds()[1]

    def last_event_time(self) -> datetime | None:
        """Return the time of the last event, UTC; None without events."""
        return last_event_time(self._reader)

    def history(
        self,
        name: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        kind: str | None = None,
        item: int | None = None,
        status: Status | None = None,
        page: Page | None = None,
    ) -> Iterator[list[Event]]:
        """Return the events of an AOI in order, from `since` to before `until`, filtered by kind, item and new status."""
        return self._reader.history(self._named(name).id, since, until, kind, item, status, page)


def _statuses(status: Status | None) -> tuple[Status, ...]:
    return tuple(Status) if status is None else (status,)

"""What can be asked of the store: everything that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from workflow_monitor.domain import state_machine
from workflow_monitor.domain.commands import FailItem
from workflow_monitor.domain.errors import AOINotFound, ItemNotFound
from workflow_monitor.domain.failures import FailureGroup, group_failures
from workflow_monitor.domain.glob import compile_pattern, is_pattern
from workflow_monitor.domain.models import AOI, AOISummary, Event, Page
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind, Status
from workflow_monitor.domain.timeline import Timeline, timeline
from workflow_monitor.domain.working_set import Transition, WorkingSet
from workflow_monitor.engine import columnar, prefetch
from workflow_monitor.engine.columnar import Columns
from workflow_monitor.graph.dot import dot_lines
from workflow_monitor.graph.nodes import Subgraph
from workflow_monitor.store.interfaces import JobRow, Reader, RunningJob, SearchHit, Shape

if TYPE_CHECKING:
    import pyarrow as pa

WHOLE = Subgraph()


@dataclass(frozen=True, slots=True)
class JobList:
    """A queue: how many jobs wait and are leased, and those that were asked for."""

    queued: int
    leased: int
    jobs: Iterator[list[JobRow]]


class Queries:
    """Answers from what is committed. Any thread may call it; iterators may be moved between threads.

    Where a `pattern` is taken, a plain name that is not there raises AOINotFound; a pattern that nothing
    matches means nothing.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    # ---- AOIs

    def aois(self, pattern: str | None = None) -> list[tuple[str, Status]]:
        """Names and statuses of the AOIs (that match), by name."""
        matches = compile_pattern(pattern).matches if pattern is not None else lambda _: True
        return [(aoi.name, aoi.status) for aoi in self._reader.aois() if matches(aoi.name)]

    def has_aoi(self, name: str) -> bool:
        """Whether there is an AOI of this name."""
        return self._reader.aoi(name) is not None

    def overview(self, name: str) -> AOISummary:
        """Return counts, status and dates of an AOI. Raises AOINotFound."""
        aoi = self._named(name)
        roots = self._reader.roots(aoi.id)
        days = (moment.date() if moment else None for moment in (roots.first, roots.last))
        return AOISummary(aoi.name, aoi.status, aoi.scenes, aoi.tiles, roots.count, *days)

    def workloads(self) -> list[AOI]:
        """All AOIs with their numbers, by name."""
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
        """Scenes, or tiles with their scenes, by id; those that are there."""
        return self._reader.documents(kind, ids)

    def feature(self, kind: ItemKind, number: int) -> str:
        """A scene or tile as a GeoJSON feature; ItemNotFound."""
        feature = self._reader.feature(kind, number)
        if feature is None:
            raise ItemNotFound(kind, number)
        return feature

    def scenes(
        self, pattern: str, status: Status | None = None, page: Page | None = None, shape: Shape = "document"
    ) -> Iterator[list[str]]:
        """The scenes of AOIs by id, in chunks."""
        return self._items(ItemKind.SCENE, pattern, status, page, shape)

    def tiles(
        self, pattern: str, status: Status | None = None, page: Page | None = None, shape: Shape = "document"
    ) -> Iterator[list[str]]:
        """The tiles of AOIs by id, in chunks."""
        return self._items(ItemKind.TILE, pattern, status, page, shape)

    def _items(
        self, kind: ItemKind, pattern: str, status: Status | None, page: Page | None, shape: Shape
    ) -> Iterator[list[str]]:
        return self._reader.items(kind, self._matching(pattern), _statuses(status), page, shape)

    def tiles_of_scene(self, number: int, shape: Shape = "document") -> Iterator[list[str]]:
        """The tiles of a scene by id; ItemNotFound."""
        if not self._reader.has_scene(number):
            raise ItemNotFound(ItemKind.SCENE, number)
        return self._reader.tiles_of(number, shape)

    def root_tiles(self, name: str, shape: Shape = "short") -> Iterator[list[str]]:
        """The tiles, not FAILED, with neither previous nor reference tile, by id."""
        return self._reader.root_tiles(self._named(name).id, shape)

    def leaf_tiles(self, name: str, shape: Shape = "short") -> Iterator[list[str]]:
        """The tiles, not FAILED, that no tile follows, by id."""
        return self._reader.leaf_tiles(self._named(name).id, shape)

    def arrow(
        self, kind: ItemKind, pattern: str, status: Status | None = None, page: Page | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Scenes or tiles as Arrow record batches of one schema, at least one."""
        return self._reader.arrow(kind, self._matching(pattern), _statuses(status), page)

    def dot(self, pattern: str, part: Subgraph = WHOLE) -> Iterator[str]:
        """The dependency graph, or a part of it, as dot text, in chunks of whole lines.

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
        """The source ids of scenes or tiles, as far as they are there."""
        return self._reader.names(kind, ids)

    def find(self, name: str, text: str, limit: int) -> tuple[int, list[SearchHit]]:
        """How many scenes and tiles of an AOI have a text in their names, or are named by it; and the first of them."""
        return self._reader.find(self._named(name).id, text, limit)

    def failures(self, name: str, limit: int | None = None) -> list[FailureGroup]:
        """What failed in an AOI, by the shape of the message; `limit` looks at so many of each kind and status."""
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

    # ---- what is drawn

    def footprints(self, kind: ItemKind, name: str) -> Columns:
        """The scenes or tiles of an AOI with the outlines of their footprints."""
        return columnar.footprints(kind, self._reader.footprints(kind, self._named(name).id))

    def lanes(self, name: str) -> Columns:
        """The tiles of an AOI where they are in the dependency graph, drawn as lanes."""
        return columnar.lanes(*self._reader.lanes(self._named(name).id), partial(self._reader.names, ItemKind.TILE))

    def timeline(
        self, name: str, since: datetime | None, until: datetime, steps: int, running: int
    ) -> tuple[Timeline, int, list[RunningJob]]:
        """Numbers per status over time; how many items are PENDING, and so many of them, those with workers first.

        From `since`, or the first event that is kept, until `until`.
        """
        course = self._reader.activity(self._named(name).id, since, until, steps, running)
        return timeline(course.span, course.now, course.flows), course.pending, course.running

    # ---- jobs and events

    def jobs(self, queue: str, state: str | None = None, page: Page | None = None, item: int | None = None) -> JobList:
        """A queue with its jobs, `queued`, `leased` or both; of one scene or tile, if an `item` is named.

        `queued` also shows those that were withdrawn before anybody took them, until they are trimmed.
        """
        kind = QUEUE_KINDS[queue]
        return JobList(*self._reader.backlog(kind), self._reader.jobs(kind, state or "", page, item))

    def events(self, after: int, name: str | None, limit: int) -> list[Event]:
        """The events after a sequence number, of one AOI or of all; none of an AOI that is not there."""
        if name is None:
            return self._reader.events(after, None, limit)
        aoi = self._reader.aoi(name)
        return [] if aoi is None else self._reader.events(after, aoi.id, limit)

    def oldest_event(self) -> int:
        """The smallest sequence number that is kept, 0 if there is none."""
        return self._reader.event_bounds()[0]

    def newest_event(self) -> int:
        """The greatest sequence number, 0 if there is none."""
        return self._reader.event_bounds()[1]

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
        """The events of an AOI in order: from `since` to before `until`, of a kind, of an item, to a status."""
        return self._reader.history(self._named(name).id, since, until, kind, item, status, page)


def _statuses(status: Status | None) -> tuple[Status, ...]:
    return tuple(Status) if status is None else (status,)

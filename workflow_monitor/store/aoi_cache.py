"""The AOIs with their workloads as of the last commit, in memory: what nearly every request asks for first.

The writer thread notes what a transaction changes, and has it appear at the commit; any thread reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock
from typing import NamedTuple, Protocol

from workflow_monitor.domain.models import AOI, GraphExtent
from workflow_monitor.domain.status import Status
from workflow_monitor.domain.working_set import CountDelta

#: whose statuses are counted
COUNTERS = ("scenes", "tiles", "tiles of done scenes")


def workload(aoi: AOI | CountDelta, of: str) -> Counter[Status]:
    """How many of one of PARTS are in each status, or how many more."""
    return {"scenes": aoi.scenes, "tiles": aoi.tiles, "tiles of done scenes": aoi.tiles_of_done_scenes}[of]


class AOIReader(Protocol):
    """What readers ask of the AOIs; any thread may."""

    def aois(self) -> list[AOI]:
        """All of them by name."""

    def by_name(self, name: str) -> AOI | None:
        """The AOI of a name, if there is one."""

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of AOIs, as far as they are there."""

    def roots(self, number: int, find: Callable[[], GraphExtent]) -> GraphExtent:
        """The ends of the graph of an AOI, looked for only if it has got another shape since."""


class AOIChangeListener(Protocol):
    """What the writer tells of the AOIs, within a transaction."""

    def begin(self) -> None:
        """A transaction begins."""

    def count(self, aois: Iterable[AOI]) -> None:
        """These, which may be new ones, have other workloads."""

    def delete(self, number: int) -> None:
        """An AOI is gone."""

    def invalidate_topology(self, aois: Iterable[int]) -> None:
        """Tiles of AOIs have come, gone, or been linked or dated anew."""

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of AOIs, also of those that the transaction has made."""

    def commit(self) -> None:
        """It was committed."""


class _CachedExtent(NamedTuple):
    """What is known of the graph of an AOI, for as long as nothing comes, goes or is linked anew."""

    version: int
    roots: GraphExtent


class AOICache:
    """The AOIs by number and by name, of a store that nobody else writes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_id: dict[int, AOI] = {}
        self._by_name: dict[str, AOI] = {}
        self._versions: Counter[int] = Counter()
        self._extents: dict[int, _CachedExtent] = {}
        self.begin()

    def load(self, aois: Iterable[AOI]) -> None:
        """Begin with the AOIs that there are."""
        self._by_id = {aoi.id: aoi for aoi in aois}
        self._by_name = {aoi.name: aoi for aoi in self._by_id.values()}

    # ---- what is read

    def aois(self) -> list[AOI]:
        """All of them by name."""
        with self._lock:
            return [self._by_name[name] for name in sorted(self._by_name)]

    def by_name(self, name: str) -> AOI | None:
        """The AOI of a name, if there is one."""
        return self._by_name.get(name)

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of AOIs, also of those that are about to be committed."""
        known = ((number, self._by_id.get(number) or self._uncommitted.get(number)) for number in numbers)
        return {number: aoi.name for number, aoi in known if aoi is not None}

    def roots(self, number: int, find: Callable[[], GraphExtent]) -> GraphExtent:
        """The ends of the graph of an AOI, looked for only if it has got another shape since."""
        with self._lock:
            version, known = self._versions[number], self._extents.get(number)
        if known is not None and known.version == version:
            return known.roots
        roots = find()
        with self._lock:
            self._extents[number] = _CachedExtent(version, roots)
        return roots

    # ---- what a transaction changes

    def begin(self) -> None:
        """Start without notes; those of a transaction that was not committed are forgotten."""
        self._uncommitted: dict[int, AOI | None] = {}
        self._changed_topology: set[int] = set()

    def count(self, aois: Iterable[AOI]) -> None:
        """Note the workloads of AOIs, which may be new ones."""
        for aoi in aois:
            parts = (aoi.scenes.copy(), aoi.tiles.copy(), aoi.tiles_of_done_scenes.copy())
            self._uncommitted[aoi.id] = AOI(aoi.id, aoi.name, *parts)

    def delete(self, number: int) -> None:
        """Note that an AOI is gone."""
        self._uncommitted[number] = None
        self._changed_topology.add(number)

    def invalidate_topology(self, aois: Iterable[int]) -> None:
        """Note that tiles of AOIs have come, gone, or been linked or dated anew."""
        self._changed_topology.update(aois)

    def commit(self) -> None:
        """Let what was noted appear."""
        with self._lock:
            for number, aoi in self._uncommitted.items():
                old = self._by_id.pop(number, None)
                if aoi is not None:
                    self._by_id[number] = aoi
                    self._by_name[aoi.name] = aoi
                elif old is not None:
                    del self._by_name[old.name]
            self._versions.update(self._changed_topology)

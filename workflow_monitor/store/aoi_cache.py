"""The AOIs and their counts as of the last commit, in memory: nearly every request reads them first.

The writer thread records the changes of a transaction and publishes them at the commit; any thread reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock
from typing import NamedTuple, Protocol

from workflow_monitor.domain.models import AOI, GraphExtent
from workflow_monitor.domain.status import Status
from workflow_monitor.domain.working_set import CountDelta

#: names of the counters per status
COUNTERS = ("scenes", "tiles", "tiles of done scenes")


def workload(aoi: AOI | CountDelta, of: str) -> Counter[Status]:
    """Return the counts, or count changes, of one of COUNTERS by status."""
    return {"scenes": aoi.scenes, "tiles": aoi.tiles, "tiles of done scenes": aoi.tiles_of_done_scenes}[of]


class AOIReader(Protocol):
    """Lookup of AOIs; thread-safe."""

    def aois(self) -> list[AOI]:
        """Return all AOIs, by name."""

    def by_name(self, name: str) -> AOI | None:
        """Return the AOI of a name, None if there is none."""

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return the names of AOIs by id; missing ids are left out."""

    def roots(self, number: int, find: Callable[[], GraphExtent]) -> GraphExtent:
        """Return root count and date range of an AOI; call `find` only if the graph changed since the last call."""


class AOIChangeListener(Protocol):
    """Receiver of the changes of AOIs, called by the writer within a transaction."""

    def begin(self) -> None:
        """Begin a transaction."""

    def count(self, aois: Iterable[AOI]) -> None:
        """Record new counts of AOIs, which may be new."""

    def delete(self, number: int) -> None:
        """Record the deletion of an AOI."""

    def invalidate_topology(self, aois: Iterable[int]) -> None:
        """Record that tiles of AOIs were added, deleted, relinked or dated again."""

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return the names of AOIs by id, including AOIs of the open transaction."""

    def commit(self) -> None:
        """Publish the recorded changes after a commit."""


class _CachedExtent(NamedTuple):
    """Graph extent of an AOI, valid for one version of its topology."""

    version: int
    roots: GraphExtent


class AOICache:
    """The AOIs by id and by name, for a store with a single writer."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_id: dict[int, AOI] = {}
        self._by_name: dict[str, AOI] = {}
        self._versions: Counter[int] = Counter()
        self._extents: dict[int, _CachedExtent] = {}
        self.begin()

    def load(self, aois: Iterable[AOI]) -> None:
        """Load the AOIs of the store."""
        self._by_id = {aoi.id: aoi for aoi in aois}
        self._by_name = {aoi.name: aoi for aoi in self._by_id.values()}

    # ---- reads

    def aois(self) -> list[AOI]:
        """Return all AOIs, by name."""
        with self._lock:
            return [self._by_name[name] for name in sorted(self._by_name)]

    def by_name(self, name: str) -> AOI | None:
        """Return the AOI of a name, None if there is none."""
        return self._by_name.get(name)

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return the names of AOIs by id, including uncommitted AOIs."""
        known = ((number, self._by_id.get(number) or self._uncommitted.get(number)) for number in numbers)
        return {number: aoi.name for number, aoi in known if aoi is not None}

    def roots(self, number: int, find: Callable[[], GraphExtent]) -> GraphExtent:
        """Return root count and date range of an AOI; call `find` only if the graph changed since the last call."""
        with self._lock:
            version, known = self._versions[number], self._extents.get(number)
        if known is not None and known.version == version:
            return known.roots
        roots = find()
        with self._lock:
            self._extents[number] = _CachedExtent(version, roots)
        return roots

    # ---- changes of a transaction

    def begin(self) -> None:
        """Begin a transaction; drop the changes of one that was not committed."""
        self._uncommitted: dict[int, AOI | None] = {}
        self._changed_topology: set[int] = set()

    def count(self, aois: Iterable[AOI]) -> None:
        """Record new counts of AOIs, which may be new."""
        for aoi in aois:
            parts = (aoi.scenes.copy(), aoi.tiles.copy(), aoi.tiles_of_done_scenes.copy())
            self._uncommitted[aoi.id] = AOI(aoi.id, aoi.name, *parts)

    def delete(self, number: int) -> None:
        """Record the deletion of an AOI."""
        self._uncommitted[number] = None
        self._changed_topology.add(number)

    def invalidate_topology(self, aois: Iterable[int]) -> None:
        """Record that tiles of AOIs were added, deleted, relinked or dated again."""
        self._changed_topology.update(aois)

    def commit(self) -> None:
        """Publish the recorded changes."""
        with self._lock:
            for number, aoi in self._uncommitted.items():
                old = self._by_id.pop(number, None)
                if aoi is not None:
                    self._by_id[number] = aoi
                    self._by_name[aoi.name] = aoi
                elif old is not None:
                    del self._by_name[old.name]
            self._versions.update(self._changed_topology)

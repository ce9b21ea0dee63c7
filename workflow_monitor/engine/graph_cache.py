"""State of the store that the writer thread keeps in memory between transactions."""

from __future__ import annotations

from workflow_monitor.domain.errors import AOINotFound
from workflow_monitor.domain.glob import compile_pattern, is_pattern
from workflow_monitor.domain.models import AOI
from workflow_monitor.domain.working_set import NotLoaded, WorkingSet
from workflow_monitor.engine import prefetch
from workflow_monitor.store.interfaces import NextIds, Writer

#: loaded items above which the cache is evicted before the next batch
MAX_CACHED_ITEMS = 200_000


class GraphCache:
    """AOIs, next free ids and the working set.

    The cache matches the store only as long as every transaction commits; build a new one after a failure.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        ids: NextIds = writer.next_ids()
        self.next_aoi = ids.aoi
        self.next_scene = ids.scene
        self.next_tile = ids.tile
        self.aois = {aoi.name: aoi for aoi in writer.aois()}
        self.aois_by_id = {aoi.id: aoi for aoi in self.aois.values()}
        self.working_set = WorkingSet(ids.seq)

    def aoi(self, name: str) -> AOI:
        """Return the AOI of a name; raise AOINotFound."""
        if name not in self.aois:
            raise AOINotFound(name)
        return self.aois[name]

    def match_aois(self, pattern: str) -> list[AOI]:
        """Return the AOIs that match a pattern, by name; raise AOINotFound for a plain name that does not exist."""
        if not is_pattern(pattern):
            return [self.aoi(pattern)]
        matches = compile_pattern(pattern).matches
        return [aoi for name, aoi in sorted(self.aois.items()) if matches(name)]

    def load(self, request: NotLoaded) -> None:
        """Load the missing items of a request."""
        prefetch.load(self.working_set, self.writer, request)

    def evict(self) -> None:
        """Drop all loaded items; save pending changes first."""
        actor = self.working_set.actor
        self.working_set = WorkingSet(self.working_set.next_seq)
        self.working_set.actor = actor

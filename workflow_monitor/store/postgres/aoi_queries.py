"""AOI lookups in the database; nothing is cached beyond a request, because other servers write too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock

from workflow_monitor.domain.models import AOI, GraphExtent
from workflow_monitor.domain.status import Status
from workflow_monitor.store.aoi_cache import workload
from workflow_monitor.store.postgres.writer_connection import WriterConnection
from workflow_monitor.store.session import SessionFactory


class StoredAOIs:
    """Lookup of AOIs; see `store.aoi_cache.AOIReader`."""

    def __init__(self, source: SessionFactory) -> None:
        self._source = source
        self._lock = Lock()
        #: by AOI id: topology version and graph extent
        self._roots: dict[int, tuple[int, GraphExtent]] = {}

    def aois(self) -> list[AOI]:
        return sorted(self._query("aois_with_workloads"), key=lambda aoi: aoi.name)

    def by_name(self, name: str) -> AOI | None:
        return next(iter(self._query("aoi_with_workload", name)), None)

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        with self._source.single() as session:
            return dict(session.rows("aoi_names", list(numbers)))

    def _query(self, statement: str, *values: object) -> list[AOI]:
        with self._source.single() as session:
            rows = session.rows(statement, *values)
        aois: dict[int, AOI] = {}
        for number, name, of, status, items in rows:
            aoi = aois.setdefault(number, AOI(number, name))
            if of is not None:
                workload(aoi, of)[Status(status)] = items
        return list(aois.values())

    def roots(self, number: int, find: Callable[[], GraphExtent]) -> GraphExtent:
        """Call `find` if the topology version changed, or if the database has none."""
        with self._source.single() as session:
            rows = session.rows("topology_version", number)
        version = rows[0][0] if rows else None
        with self._lock:
            cached = self._roots.get(number)
        if version is not None and cached is not None and cached[0] == version:
            return cached[1]
        roots = find()
        if version is not None:
            with self._lock:
                self._roots[number] = version, roots
        return roots


class AOICounterWriter:
    """Writes AOI statuses and topology versions; see `store.aoi_cache.AOIChangeListener`."""

    def __init__(self, connection: WriterConnection) -> None:
        self._connection = connection

    def begin(self) -> None:
        pass

    def count(self, aois: Iterable[AOI]) -> None:
        if statuses := {aoi.id: str(aoi.status) for aoi in aois}:
            values = list(statuses), list(statuses.values())
            self._connection.rows("set_aoi_statuses", *values)

    def delete(self, number: int) -> None:
        pass

    def invalidate_topology(self, aois: Iterable[int]) -> None:
        if numbers := list(aois):
            self._connection.rows("bump_topology_versions", numbers)

    def names(self, numbers: Iterable[int]) -> dict[int, str]:
        return dict(self._connection.rows("aoi_names", list(numbers)))

    def commit(self) -> None:
        pass

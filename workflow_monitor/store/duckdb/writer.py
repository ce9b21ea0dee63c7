"""The write side of the DuckDB store; it counts transactions for the high-water mark."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from workflow_monitor.domain.models import AOI, Job
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.domain.working_set import ChangeSet
from workflow_monitor.store.aoi_cache import AOICache
from workflow_monitor.store.duckdb.connection import Connection
from workflow_monitor.store.duckdb.high_water_mark import Progress
from workflow_monitor.store.duckdb.pending_jobs import PendingJobCache
from workflow_monitor.store.interfaces import Payloads
from workflow_monitor.store.writer import SQLWriter, to_jobs


class DuckDBWriter(SQLWriter):
    """The write side of the store; see `store.interfaces.Writer`."""

    def __init__(
        self, connection: Connection, aoi_cache: AOICache, on_progress: Callable[[Progress], None] = lambda _: None
    ) -> None:
        super().__init__(connection, aoi_cache)
        #: called after each commit that changed rows
        self._on_progress = on_progress
        *progress, _ = self._rows("progress")[0]
        self._progress = Progress(*progress)
        self._job_cache = PendingJobCache(
            lambda queue, number, after: to_jobs(self._rows("available_jobs", queue, number, after))
        )

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        """Commit the block durably, or roll all of it back; count it if it changed rows."""
        try:
            with super().transaction() as is_outdated:
                yield is_outdated
                progress = self._bump_progress()
        except BaseException:
            self._job_cache.clear()
            raise
        if progress != self._progress:
            self._progress = progress
            self._on_progress(progress)

    def _bump_progress(self) -> Progress:
        if not self._has_changed:
            return self._progress
        store, transactions, _ = self._progress
        progress = Progress(store, transactions + 1, secrets.randbits(63))
        self._run("set_progress", progress.transactions, progress.token)
        return progress

    def save(self, changes: ChangeSet, payloads: Payloads, aois: Sequence[AOI], at: datetime) -> None:
        super().save(changes, payloads, aois, at)
        self._job_cache.publish(changes.jobs)
        self._job_cache.drop(changes.withdrawn)

    def delete_aoi(self, number: int) -> None:
        super().delete_aoi(number)
        self._job_cache.clear()

    def available_jobs(self, queue: ItemKind, number: int, aois: Sequence[int] | None) -> list[Job]:
        """See `SQLWriter`."""
        if aois is None:
            return self._job_cache.pop(queue, number)
        jobs = super().available_jobs(queue, number, aois)
        self._job_cache.drop(job.id for job in jobs)
        return jobs

    def mark_clean_shutdown(self) -> None:
        """Record in the file that it is complete; no write may follow."""
        *_, is_complete = self._rows("progress")[0]
        if not is_complete:
            self._connection.begin()
            self._run("mark_complete")
            self._connection.commit()

    def prune(self, withdrawn_before: datetime, events_before: datetime | None) -> None:
        if events_before is not None:
            self._run("record_pruned_seq", events_before)
        super().prune(withdrawn_before, events_before)

"""The oldest queued jobs, in memory: a query for them slows down as the job table grows.

Job ids increase, and a leased or withdrawn job is never queued again. So the cache is a window of the queued jobs from
the oldest on. Only the writer thread changes it. A rolled-back transaction invalidates it: `clear` it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from workflow_monitor.domain.models import Job
from workflow_monitor.domain.status import ItemKind

#: returns up to `limit` queued jobs of a queue after an id, by id: (queue, limit, after)
Fetch = Callable[[ItemKind, int, int], list[Job]]
#: jobs per fetch
FETCH_SIZE = 1_000
#: jobs of a queue in memory; newly published ones beyond that are fetched later
MAX_CACHED_JOBS = 10_000


@dataclass(slots=True)
class _Window:
    """The oldest queued jobs of a queue, by id."""

    jobs: dict[int, Job] = field(default_factory=dict)
    #: all queued jobs up to this id are in the window
    last: int = 0
    #: True if no queued job is behind the window
    is_whole: bool = False


class PendingJobCache:
    """The oldest queued jobs of each queue; fetches more on demand."""

    def __init__(self, fetch: Fetch, fetch_size: int = FETCH_SIZE, max_cached: int = MAX_CACHED_JOBS) -> None:
        self._fetch = fetch
        self._fetch_size = fetch_size
        self._max_cached = max_cached
        self.clear()

    def clear(self) -> None:
        """Drop all cached jobs."""
        self._windows = {kind: _Window() for kind in ItemKind}

    def pop(self, queue: ItemKind, limit: int) -> list[Job]:
        """Remove and return the oldest jobs of a queue, at most `limit`."""
        window = self._windows[queue]
        if len(window.jobs) < limit and not window.is_whole:
            count = max(self._fetch_size, limit - len(window.jobs))
            jobs = self._fetch(queue, count, window.last)
            window.jobs |= {job.id: job for job in jobs}
            window.last = jobs[-1].id if jobs else window.last
            window.is_whole = len(jobs) < count
        oldest = list(islice(window.jobs.values(), limit))
        self.drop(job.id for job in oldest)
        return oldest

    def publish(self, jobs: Iterable[Job]) -> None:
        """Add newly published jobs behind all others."""
        for job in jobs:
            window = self._windows[job.kind]
            window.is_whole = window.is_whole and len(window.jobs) < self._max_cached
            if window.is_whole:
                window.jobs[job.id] = job
                window.last = job.id

    def drop(self, ids: Iterable[int]) -> None:
        """Remove leased or withdrawn jobs."""
        for job_id in ids:
            for window in self._windows.values():
                window.jobs.pop(job_id, None)

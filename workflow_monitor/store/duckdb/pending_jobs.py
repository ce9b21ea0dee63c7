"""The next jobs that nobody has, in memory: to look for them among all jobs takes the longer the more there are.

Jobs are published with ever greater ids, and one that is taken or withdrawn never waits again. So what is known is a window of
the jobs that wait, from the first on, and only the writer thread changes it. It is right as long as each transaction
succeeds; after one that does not it has to be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from workflow_monitor.domain.models import Job
from workflow_monitor.domain.status import ItemKind

#: answers up to so many jobs of a queue that wait and have a greater id than this, by id
Fetch = Callable[[ItemKind, int, int], list[Job]]
#: jobs that are looked for at once
FETCH_SIZE = 1_000
#: beyond so many of a queue, those that are published are left to be looked for
MAX_CACHED_JOBS = 10_000


@dataclass(slots=True)
class _Window:
    """The first jobs of a queue that wait, by id, which orders them."""

    jobs: dict[int, Job] = field(default_factory=dict)
    #: the id up to which all that wait are known
    last: int = 0
    #: whether there are none behind it
    is_whole: bool = False


class PendingJobCache:
    """The first jobs of each queue that wait; what is not known of them is looked for."""

    def __init__(self, fetch: Fetch, fetch_size: int = FETCH_SIZE, max_cached: int = MAX_CACHED_JOBS) -> None:
        self._fetch = fetch
        self._fetch_size = fetch_size
        self._max_cached = max_cached
        self.clear()

    def clear(self) -> None:
        """Know nothing of them any more."""
        self._windows = {kind: _Window() for kind in ItemKind}

    def pop(self, queue: ItemKind, number: int) -> list[Job]:
        """The first so many, or all if there are fewer; they wait no longer."""
        window = self._windows[queue]
        if len(window.jobs) < number and not window.is_whole:
            wanted = max(self._fetch_size, number - len(window.jobs))
            found = self._fetch(queue, wanted, window.last)
            window.jobs |= {job.id: job for job in found}
            window.last = found[-1].id if found else window.last
            window.is_whole = len(found) < wanted
        taken = list(islice(window.jobs.values(), number))
        self.drop(job.id for job in taken)
        return taken

    def publish(self, jobs: Iterable[Job]) -> None:
        """These wait from now on, behind all others."""
        for job in jobs:
            window = self._windows[job.kind]
            window.is_whole = window.is_whole and len(window.jobs) < self._max_cached
            if window.is_whole:
                window.jobs[job.id] = job
                window.last = job.id

    def drop(self, ids: Iterable[int]) -> None:
        """These wait no longer."""
        for number in ids:
            for window in self._windows.values():
                window.jobs.pop(number, None)

"""The next jobs that nobody has, in memory: to look for them among all jobs takes the longer the more there are.

Jobs are published with ever greater ids, and one that is taken or withdrawn never waits again. So what is known is a run of
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
AHEAD = 1_000
#: beyond so many of a queue, those that are published are left to be looked for
MOST = 10_000


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

    def __init__(self, look: Fetch, ahead: int = AHEAD, most: int = MOST) -> None:
        self._look = look
        self._ahead = ahead
        self._most = most
        self.forget()

    def forget(self) -> None:
        """Know nothing of them any more."""
        self._runs = {kind: _Window() for kind in ItemKind}

    def take(self, queue: ItemKind, number: int) -> list[Job]:
        """The first so many, or all if there are fewer; they wait no longer."""
        run = self._runs[queue]
        if len(run.jobs) < number and not run.is_whole:
            wanted = max(self._ahead, number - len(run.jobs))
            found = self._look(queue, wanted, run.last)
            run.jobs |= {job.id: job for job in found}
            run.last = found[-1].id if found else run.last
            run.is_whole = len(found) < wanted
        taken = list(islice(run.jobs.values(), number))
        self.drop(job.id for job in taken)
        return taken

    def publish(self, jobs: Iterable[Job]) -> None:
        """These wait from now on, behind all others."""
        for job in jobs:
            run = self._runs[job.kind]
            run.is_whole = run.is_whole and len(run.jobs) < self._most
            if run.is_whole:
                run.jobs[job.id] = job
                run.last = job.id

    def drop(self, ids: Iterable[int]) -> None:
        """These wait no longer."""
        for number in ids:
            for run in self._runs.values():
                run.jobs.pop(number, None)

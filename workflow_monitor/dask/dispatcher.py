"""The dispatcher: it leases jobs, submits them to a cluster, renews the leases while they run, and reports.

The leases stay the truth. Whatever dies, a job whose lease is not renewed is handed out again as the next attempt, and
what an earlier attempt has to say is not heard. An attempt is submitted once; if the cluster loses it, its lease is
given back.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from workflow_monitor.dask.cluster import Cluster, Task, pickle_function, result_of
from workflow_monitor.dask.job import Job
from workflow_monitor.dask.job_source import JobSource, ServerUnavailable
from workflow_monitor.dask.work import TaskSpec
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status

T = TypeVar("T")

#: seconds for which jobs are leased
LEASE_SECONDS = 60
#: leases are renewed, and withdrawn jobs noticed, so many times within that
RENEWALS = 6
#: jobs that are leased at once, and results that are reported at once, at most
BATCH = 1_000
#: seconds between two rounds: after one that moved something, and at most
SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 0.5
#: tiles first: they finish what scenes have begun
ORDER = (ItemKind.TILE, ItemKind.SCENE)


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A job at the cluster."""

    job: Job
    future: Task
    #: by which it was submitted
    connection: object


@dataclass(frozen=True, slots=True)
class Stats:
    """How many jobs are at the cluster, and what became of the others: by status, lost to the cluster, withdrawn."""

    running: int
    done: int
    retry: int
    failed: int
    lost: int
    withdrawn: int


class Dispatcher:
    """Keeps a cluster supplied with jobs: `run` until `stop`. Any thread may ask for `tally` and `last_error`."""

    def __init__(
        self,
        source: JobSource,
        cluster: Cluster,
        work: Mapping[ItemKind, TaskSpec],
        *,
        lease_seconds: int = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._cluster = cluster
        self._work = work
        self._functions = {kind: pickle_function(one) for kind, one in work.items()}
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._renew_at = clock() + lease_seconds / RENEWALS
        #: by lease
        self._running: dict[str, SubmittedJob] = {}
        #: not reported yet
        self._results: list[Result] = []
        #: leases to be given back
        self._returned: dict[ItemKind, list[str]] = defaultdict(list)
        self._counts: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._is_finishing = False
        #: why nothing moves, if that is so
        self.last_error = ""

    @property
    def stats(self) -> Stats:
        counts = self._counts
        ended = (counts[word] for word in (Status.DONE, Status.RETRY, Status.FAILED, "lost", "withdrawn"))
        return Stats(len(self._running), *ended)

    def finish(self) -> None:
        """Take no more jobs, so that `run` ends when those at the cluster have ended; any thread may call it."""
        self._is_finishing = True

    def stop(self) -> None:
        """Have `run` come to its end; any thread may call it."""
        self._stopped.set()

    @property
    def _is_finished(self) -> bool:
        return self._is_finishing and not (self._running or self._results or any(self._returned.values()))

    def run(self) -> None:
        """Dispatch until stopped; then, or if something cannot be helped, give back what is not done."""
        pause = SHORTEST_PAUSE
        try:
            while not (self._is_finished or self._stopped.wait(pause)):
                try:
                    moved = self.step()
                    self.last_error = ""
                except ServerUnavailable as away:
                    moved = False
                    self.last_error = str(away)
                pause = SHORTEST_PAUSE if moved else min(LONGEST_PAUSE, pause * 2)
        finally:
            self._shutdown()

    def step(self) -> bool:
        """One round; whether anything has moved. Raises Away, after which the next round goes on where this ended."""
        connection = away = None
        try:
            connection = self._cluster.connection()
        except ServerUnavailable as error:
            # What has ended is reported all the same.
            away = error
        else:
            self._drop_foreign_futures(connection)
        ended = self._collect_results()
        self._report()
        self._release_leases()
        self._renew()
        if away is not None:
            raise away
        return self._lease_jobs(connection) or ended

    # ---- what the cluster has done

    def _collect_results(self) -> bool:
        """Take the results of what has ended, and see what was lost; whether there was any."""
        ended = list(self._ended())
        for lease, result in ended:
            kind = self._running.pop(lease).job.kind
            if result is None:
                self._record_loss(kind, lease)
            else:
                self._results.append(result)
        return bool(ended)

    def _ended(self) -> Iterator[tuple[str, Result | None]]:
        """The leases of what has ended, with their results; none for what the cluster has lost."""
        for lease, running in self._running.items():
            try:
                result = result_of(running.future, running.job)
            except LookupError:
                yield lease, None
            else:
                if result is not None:
                    yield lease, result

    def _drop_foreign_futures(self, connection: object) -> None:
        """A connection that broke may have broken before the scheduler heard of all that was submitted by it."""
        for lease, running in list(self._running.items()):
            if running.connection is not connection and running.future.status == "pending":
                self._record_loss(self._running.pop(lease).job.kind, lease)

    def _record_loss(self, kind: ItemKind, lease: str) -> None:
        self._counts["lost"] += 1
        self._returned[kind].append(lease)

    # ---- what the server is told

    def _report(self) -> None:
        while self._results:
            results = self._results[:BATCH]
            counts = Counter(str(result.status) for result in results)
            # Counted first: whoever sees at the server that all is done finds it counted.
            self._counts.update(counts)
            try:
                self._source.report(results)
            except BaseException:
                self._counts.subtract(counts)
                raise
            del self._results[: len(results)]

    def _release_leases(self) -> None:
        """Let the leases of what was lost run out at once, so that it is handed out as the next attempt."""
        for kind, leases in self._returned.items():
            while leases:
                batch = leases[:BATCH]
                self._source.renew(kind, batch, 1)
                del leases[: len(batch)]

    def _renew(self) -> None:
        """Prolong the leases of what runs; what is not in force any more is withdrawn from the cluster."""
        now = self._clock()
        if now < self._renew_at:
            return
        for kind in ORDER:
            leases = [lease for lease, running in self._running.items() if running.job.kind is kind]
            for batch in _batches(leases):
                for lease in self._source.renew(kind, batch, self._lease_seconds):
                    # A task that nobody waits for is cancelled by the scheduler.
                    self._running.pop(lease).future.release()
                    self._counts["withdrawn"] += 1
        self._renew_at = now + self._lease_seconds / RENEWALS

    # ---- what is to be done

    def _lease_jobs(self, connection: object) -> bool:
        """Lease jobs and submit them, as many as there is room for."""
        if self._is_finishing:
            return False
        taken = False
        at_cluster = Counter(running.job.kind for running in self._running.values())
        for kind in ORDER:
            work = self._work.get(kind)
            room = min(BATCH, work.limit - at_cluster[kind]) if work else 0
            if work is None or room <= 0:
                continue
            leased = self._source.lease(kind, room, self._lease_seconds, f"dask {self._cluster.name}")
            self._submit(kind, leased, work, connection)
            taken = taken or bool(leased)
        return taken

    def _submit(self, kind: ItemKind, leased: Sequence[tuple[str, Job]], work: TaskSpec, connection: object) -> None:
        if not leased:
            return
        leases, jobs = zip(*leased, strict=True)
        try:
            futures = self._cluster.submit(jobs, work, self._functions[kind])
        except BaseException:
            self._returned[kind] += leases
            raise
        for lease, job, future in zip(leases, jobs, futures, strict=True):
            self._running[lease] = SubmittedJob(job, future, connection)

    def _shutdown(self) -> None:
        """Withdraw what runs, and tell the server what it can be told."""
        self._collect_results()
        for lease, running in self._running.items():
            running.future.release()
            self._returned[running.job.kind].append(lease)
        self._running.clear()
        self._cluster.close()
        with suppress(ServerUnavailable):
            self._report()
            self._release_leases()


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))

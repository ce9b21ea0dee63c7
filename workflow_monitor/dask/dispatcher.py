"""The dispatcher: it leases jobs, submits them to a cluster, renews their leases, and reports results.

Leases decide. After any crash, a job without renewal is dispatched again as the next attempt, and results of the earlier
attempt are ignored. Each attempt is submitted once; if the cluster loses it, the dispatcher releases its lease.
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

#: seconds of a lease
LEASE_SECONDS = 60
#: renewals per lease; each renewal also detects withdrawn jobs
RENEWALS = 6
#: largest batch of leases or results
BATCH = 1_000
#: seconds between two steps: after one with progress, and the maximum
SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 0.5
#: tiles first: they complete started scenes
ORDER = (ItemKind.TILE, ItemKind.SCENE)


@dataclass(frozen=True, slots=True)
class SubmittedJob:
    """A job submitted to the cluster."""

    job: Job
    future: Task
    #: connection of the submission
    connection: object


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of jobs: at the cluster, reported by status, lost by the cluster, withdrawn."""

    running: int
    done: int
    retry: int
    failed: int
    lost: int
    withdrawn: int


class Dispatcher:
    """Keeps a cluster supplied with jobs: `run` until `stop`. `stats` and `last_error` are thread-safe."""

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
        #: not yet reported
        self._results: list[Result] = []
        #: leases to release
        self._returned: dict[ItemKind, list[str]] = defaultdict(list)
        self._counts: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._is_finishing = False
        #: reason of the last failed step; empty after a successful one
        self.last_error = ""

    @property
    def stats(self) -> Stats:
        counts = self._counts
        ended = (counts[word] for word in (Status.DONE, Status.RETRY, Status.FAILED, "lost", "withdrawn"))
        return Stats(len(self._running), *ended)

    def finish(self) -> None:
        """Lease no more jobs, and end `run` when the submitted ones have ended; thread-safe."""
        self._is_finishing = True

    def stop(self) -> None:
        """End `run`; thread-safe."""
        self._stopped.set()

    @property
    def _is_finished(self) -> bool:
        return self._is_finishing and not (self._running or self._results or any(self._returned.values()))

    def run(self) -> None:
        """Dispatch until stopped or until an unrecoverable error; then release unfinished jobs."""
        pause = SHORTEST_PAUSE
        try:
            while not (self._is_finished or self._stopped.wait(pause)):
                try:
                    moved = self.step()
                    self.last_error = ""
                except ServerUnavailable as error:
                    moved = False
                    self.last_error = str(error)
                pause = SHORTEST_PAUSE if moved else min(LONGEST_PAUSE, pause * 2)
        finally:
            self._shutdown()

    def step(self) -> bool:
        """Run one round and return True on progress; raise ServerUnavailable, after which the next round continues."""
        connection = unavailable = None
        try:
            connection = self._cluster.connection()
        except ServerUnavailable as error:
            # report finished jobs anyway
            unavailable = error
        else:
            self._drop_foreign_futures(connection)
        ended = self._collect_results()
        self._report()
        self._release_leases()
        self._renew()
        if unavailable is not None:
            raise unavailable
        return self._lease_jobs(connection) or ended

    # ---- results of the cluster

    def _collect_results(self) -> bool:
        """Collect the results of ended tasks, and count lost ones; return True if any ended."""
        ended = list(self._ended())
        for lease, result in ended:
            kind = self._running.pop(lease).job.kind
            if result is None:
                self._record_loss(kind, lease)
            else:
                self._results.append(result)
        return bool(ended)

    def _ended(self) -> Iterator[tuple[str, Result | None]]:
        """Yield the leases of ended tasks with their results, None for a lost task."""
        for lease, running in self._running.items():
            try:
                result = result_of(running.future, running.job)
            except LookupError:
                yield lease, None
            else:
                if result is not None:
                    yield lease, result

    def _drop_foreign_futures(self, connection: object) -> None:
        """Count pending tasks of an earlier connection as lost: the scheduler may never have received them."""
        for lease, running in list(self._running.items()):
            if running.connection is not connection and running.future.status == "pending":
                self._record_loss(self._running.pop(lease).job.kind, lease)

    def _record_loss(self, kind: ItemKind, lease: str) -> None:
        self._counts["lost"] += 1
        self._returned[kind].append(lease)

    # ---- reports to the server

    def _report(self) -> None:
        while self._results:
            results = self._results[:BATCH]
            counts = Counter(str(result.status) for result in results)
            # count first: a reader that sees the result at the server must find it counted
            self._counts.update(counts)
            try:
                self._source.report(results)
            except BaseException:
                self._counts.subtract(counts)
                raise
            del self._results[: len(results)]

    def _release_leases(self) -> None:
        """Let the leases of lost jobs expire immediately, so that the jobs are dispatched as the next attempt."""
        for kind, leases in self._returned.items():
            while leases:
                batch = leases[:BATCH]
                self._source.renew(kind, batch, 1)
                del leases[: len(batch)]

    def _renew(self) -> None:
        """Renew the leases of submitted jobs; cancel the tasks whose leases are no longer in force."""
        now = self._clock()
        if now < self._renew_at:
            return
        for kind in ORDER:
            leases = [lease for lease, running in self._running.items() if running.job.kind is kind]
            for batch in _batches(leases):
                for lease in self._source.renew(kind, batch, self._lease_seconds):
                    # the scheduler cancels a task without futures
                    self._running.pop(lease).future.release()
                    self._counts["withdrawn"] += 1
        self._renew_at = now + self._lease_seconds / RENEWALS

    # ---- leasing and submission

    def _lease_jobs(self, connection: object) -> bool:
        """Lease and submit jobs up to the limits."""
        if self._is_finishing:
            return False
        has_leased = False
        at_cluster = Counter(running.job.kind for running in self._running.values())
        for kind in ORDER:
            work = self._work.get(kind)
            capacity = min(BATCH, work.limit - at_cluster[kind]) if work else 0
            if work is None or capacity <= 0:
                continue
            leased = self._source.lease(kind, capacity, self._lease_seconds, f"dask {self._cluster.name}")
            self._submit(kind, leased, work, connection)
            has_leased = has_leased or bool(leased)
        return has_leased

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
        """Cancel submitted jobs, release their leases, and send pending reports if the server responds."""
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

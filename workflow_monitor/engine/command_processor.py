"""Command processor: one writer thread that executes commands in batches, one transaction per batch."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workflow_monitor.domain.commands import Command, ExpireLeases, LeaseJobs
from workflow_monitor.domain.errors import StoreReadOnly, StoreUnavailable, WorkflowError
from workflow_monitor.domain.models import Event
from workflow_monitor.engine.graph_cache import MAX_CACHED_ITEMS, GraphCache
from workflow_monitor.engine.lease_clock import STEP, LeaseClock, last_event_time
from workflow_monitor.engine.unit_of_work import UnitOfWork
from workflow_monitor.queues.interfaces import JobQueue
from workflow_monitor.store.interfaces import Store, Writer

log = logging.getLogger(__name__)

#: commands that go into one transaction at most
MAX_BATCH_SIZE = 500
#: maximum seconds to wait for the clients of the last batch
MAX_BATCH_DELAY = 0.01
#: seconds that the expiry of leases waits after a transaction that failed
RETRY_DELAY = 5.0
#: seconds between polls for expired leases of other servers
LEASE_POLL_INTERVAL = 15.0
#: maximum duration of a lease, beyond which stored expiry times are cut at the start
LONGEST_LEASE = timedelta(days=1)
#: time by which the clock must be behind the last event to count as set back while the server was stopped
SET_BACK = timedelta(hours=1)
#: actor of changes that the server makes by itself
SYSTEM_ACTOR = "workflow-monitor"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _PendingCommand:
    command: Command
    actor: str
    future: Future[object]


class CommandProcessor:
    """Queue of commands from any thread, executed on one writer thread. A completed future means that the effect is on disk.

    The writer thread calls `on_commit` with the events of each transaction, in order. `clock` is the time of events;
    leases last by `elapsed`, in seconds, while the processor runs.
    """

    def __init__(
        self,
        store: Store,
        make_queue: Callable[[Writer], JobQueue],
        *,
        clock: Callable[[], datetime] = _now,
        elapsed: Callable[[], float] = time.monotonic,
        on_commit: Callable[[Sequence[Event]], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease_clock = LeaseClock(clock, elapsed)
        #: the last step of the wall clock that was logged
        self._logged_step = timedelta()
        self._on_commit = on_commit
        self._make_queue = make_queue
        self._correct_stored_leases()
        self._queue = make_queue(store.writer)
        self._graph = GraphCache(store.writer)
        #: True if a failed transaction has changed the two caches
        self._is_stale = False
        self._orders: queue.SimpleQueue[_PendingCommand | None] = queue.SimpleQueue()
        #: the commands of the last group, and the seconds that it took
        self._last = 0, 0.0
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="workflow-writer", daemon=True)
        self._thread.start()

    @property
    def needs_reopen(self) -> bool:
        """True if the store must be reopened, with a new CommandProcessor."""
        return self._store.needs_reopen

    def submit(self, command: Command, actor: str) -> Future[object]:
        """Queue a command on behalf of an actor.

        The future returns the result, or raises the WorkflowError, that the docstring of the command names. It raises
        StoreUnavailable, with nothing stored, if the write fails.
        """
        future: Future[object] = Future()
        with self._gate:
            if self._closed:
                raise StoreUnavailable("The server is shutting down.")
            self._orders.put(_PendingCommand(command, actor, future))
        return future

    def close(self) -> None:
        """Execute the queued commands and end the thread. The store stays open."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._orders.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            orders, is_last = self._next_batch()
            if orders:
                self._follow_clock()
                started = time.perf_counter()
                self._execute(orders)
                self._last = len(orders), time.perf_counter() - started
                log.debug("commands=%d seconds=%.3f", *self._last)
            if is_last:
                return

    def _next_batch(self) -> tuple[list[_PendingCommand], bool]:
        """Return the queued commands, or the expiry of leases when it is due; and True at the end.

        A transaction takes nearly as long for one command as for many. The clients of the last batch are likely to send the
        next command soon, so the batch waits for them: half the duration of the last transaction, at most MAX_BATCH_DELAY.
        """
        group: list[_PendingCommand] = []
        answered, seconds = self._last
        expected = answered + self._orders.qsize()
        try:
            order = self._orders.get(timeout=self._until_expiry())
            until = time.perf_counter() + min(seconds / 2, MAX_BATCH_DELAY)
            while order is not None:
                group.append(order)
                if len(group) >= MAX_BATCH_SIZE:
                    return group, False
                patience = until - time.perf_counter() if len(group) < expected else 0.0
                order = self._orders.get(timeout=max(patience, 0.0))
        except queue.Empty:
            return group or [_PendingCommand(ExpireLeases(), SYSTEM_ACTOR, Future())], False
        return group, True

    def _until_expiry(self) -> float | None:
        expiry = self._queue.next_expiry
        if self._is_stale and expiry is not None:
            return RETRY_DELAY
        longest = LEASE_POLL_INTERVAL if self._store.is_shared else 60.0
        if expiry is None:
            return longest if self._store.is_shared else None
        return min(max((expiry - self._lease_clock.now()).total_seconds(), 0.01), longest)

    def _correct_stored_leases(self) -> None:
        """Bound the leases of an earlier process; shift those after the last event if the clock has been set back since."""
        writer, now = self._store.writer, self._lease_clock.now()
        last = None if self._store.is_shared else last_event_time(self._store.reader)
        with writer.transaction():
            if last is not None and last - now > SET_BACK:
                log.warning("clock_set_back seconds=%.0f leases=shifted", (last - now).total_seconds())
                writer.shift_leases(now - last, after=last)
            writer.clamp_leases(now + LONGEST_LEASE)

    def _follow_clock(self) -> None:
        """Shift the stored leases after a step of the wall clock, so that each keeps its remaining time.

        Leases of a shared store keep the time of their server until it restarts: the clocks of other machines are right.
        """
        lead = self._lease_clock.lead()
        if abs(lead - self._logged_step) > STEP:
            self._logged_step = lead
            log.warning("clock_stepped seconds=%.0f leases=unchanged", lead.total_seconds())
        if not lead or self._store.is_shared:
            return
        try:
            with self._store.writer.transaction():
                self._store.writer.shift_leases(lead)
        except Exception:  # the next batch tries again; the writer must survive
            log.exception("leases_not_shifted")
            return
        self._is_stale = True
        self._lease_clock.adjust(lead)
        self._logged_step = timedelta()

    def _execute(self, orders: Sequence[_PendingCommand]) -> None:
        """Execute a batch in one transaction; after an unexpected error, execute each command alone."""
        try:
            answers, events = self._transact(orders)
        except StoreUnavailable as error:
            log.error("%d commands were not carried out: %s", len(orders), error.detail)  # noqa: TRY400
            self._fail_all(orders, error)
        except Exception as error:  # the writer must survive whatever a command does
            self._is_stale = True
            if len(orders) > 1:
                for order in orders:
                    self._execute([order])
                return
            if not isinstance(error, WorkflowError):
                log.exception("The command %s failed", type(orders[0].command).__name__)
            self._fail_all(orders, error)
        else:
            self._publish_events(events)
            for order, answer in zip(orders, answers, strict=True):
                _resolve(order.future, answer)

    def _publish_events(self, events: Sequence[Event]) -> None:
        try:
            self._on_commit(events)
        except Exception:  # the commands are committed, so their futures complete in any case
            log.exception("event_publish_failed count=%d", len(events))

    def _transact(self, orders: Sequence[_PendingCommand]) -> tuple[list[object], list[Event]]:
        answers: list[object] = [None] * len(orders)
        leases: dict[int, LeaseJobs] = {}
        actors: list[str] = []
        with self._store.writer.transaction() as is_outdated:
            self._refresh(is_outdated)
            batch = UnitOfWork(self._graph, self._queue, self._clock(), self._lease_clock.now())
            batch.prefetch([order.command for order in orders])
            for place, order in enumerate(orders):
                if isinstance(order.command, LeaseJobs):
                    leases[place] = order.command
                    actors.append(order.actor)
                else:
                    answers[place] = _answer(batch, order)
            # last, which is as good an order as any: none of these commands was answered before another came
            for place, jobs in zip(leases, batch.lease(list(leases.values()), actors) if leases else (), strict=True):
                answers[place] = jobs
            batch.save()
        return answers, batch.events

    def _refresh(self, is_outdated: bool) -> None:
        """Reload the cached state after a foreign or a failed transaction, and evict items beyond the limit."""
        if is_outdated or self._is_stale:
            self._graph, self._queue = GraphCache(self._store.writer), self._make_queue(self._store.writer)
            self._is_stale = False
        if len(self._graph.working_set) > MAX_CACHED_ITEMS:
            self._graph.evict()

    def _fail_all(self, orders: Sequence[_PendingCommand], error: Exception) -> None:
        self._is_stale = True
        for order in orders:
            _resolve(order.future, error)


class ReadOnlyProcessor:
    """Command processor over a read-only store: refuses all commands."""

    def submit(self, command: Command, actor: str) -> Future[object]:  # noqa: ARG002 - as Workflow is called
        """Return a future that raises StoreReadOnly."""
        future: Future[object] = Future()
        future.set_exception(StoreReadOnly())
        return future

    def close(self) -> None:
        """Do nothing: no thread runs."""


def _answer(batch: UnitOfWork, order: _PendingCommand) -> object:
    """Return the result of a command, or the error that refuses it."""
    try:
        return batch.execute(order.command, order.actor)
    except StoreUnavailable:
        raise
    except WorkflowError as refusal:
        return refusal


def _resolve(future: Future[object], answer: object) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)

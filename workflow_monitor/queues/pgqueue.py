"""The queue of the Geocube services: jobs and results are rows of the table pgq_jobs, in the same database as the state.

A job is put there in the transaction that hands its item out, and a result taken off in the one that it changes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from workflow_monitor.background import RestartingThread
from workflow_monitor.domain.commands import DrainResults, LeaseJobs
from workflow_monitor.domain.errors import StoreUnavailable, WorkflowError
from workflow_monitor.domain.models import Job, LeasedJob, Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.queues.interfaces import Submit
from workflow_monitor.queues.lease import LeaseQueue, Outbox

log = logging.getLogger(__name__)

#: results that are taken in one transaction
BATCH = 500
#: seconds that a worker waits with each new try after a temporary error, as the services write them
RETRY_INTERVALS = {ItemKind.SCENE: ["10m0s"] * 9, ItemKind.TILE: ["1m0s", "10m0s", "30m0s"]}
#: who is told as the cause of what a result changes
WORKERS = "pgqueue"
_STATUS = {str(status): status for status in (Status.DONE, Status.RETRY, Status.FAILED)}
_KIND = {str(kind): kind for kind in ItemKind}


@runtime_checkable
class PgqTable(Protocol):
    """A store that has the table pgq_jobs beside the state; see `store.postgres.PostgresWriter`."""

    def open_pgq(self) -> None: ...

    def publish_pgq(self, queue: ItemKind, name: str, waits: Sequence[str], jobs: Sequence[Job]) -> None: ...

    def withdraw_pgq(self, ids: Sequence[int]) -> None: ...

    def drain_pgq(self, name: str, limit: int) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Options:
    """The names of the queues, as each service is told them, and how often it is looked for results."""

    events: str = "ingester-events"
    downloader: str = "ingester-downloader"
    processor: str = "ingester-processor"
    #: seconds
    poll: float = 1.0

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Options:
        """StoreUnavailable if an option is not known, or is no name or time."""
        try:
            options = msgspec.convert(given, cls)
        except msgspec.ValidationError as error:
            raise StoreUnavailable(f"An option of the queue pgqueue is not right (queue_options): {error}.") from None
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise StoreUnavailable(
                f"The queue pgqueue has no option {unknown[0]!r} (queue_options); it has {', '.join(known)}."
            )
        if options.poll <= 0:
            raise StoreUnavailable("The option poll of the queue pgqueue has to be above 0 seconds (queue_options).")
        return options


class PgQueue(LeaseQueue):
    """Hands jobs to the Geocube's downloader and processor. What was leased before it took over is still awaited."""

    def __init__(self, outbox: Outbox, options: Options) -> None:
        super().__init__(outbox)
        if not isinstance(outbox, PgqTable):
            raise StoreUnavailable(
                "The queue pgqueue shares a database with the Geocube services: set store_url to postgresql://…"
            )
        outbox.open_pgq()
        self._table = outbox
        self._options = options

    def lease(
        self,
        commands: Sequence[LeaseJobs],
        now: datetime,  # noqa: ARG002 - as any queue is asked
        aois: Mapping[str, Sequence[int]],  # noqa: ARG002
    ) -> list[list[LeasedJob]]:
        """No jobs for those who lease: the services take them from their table."""
        return [[] for _ in commands]

    def publish(self, jobs: Sequence[Job], withdrawn: Sequence[int]) -> None:
        """Put the jobs into the table, and take those out that no worker has yet."""
        gone = set(withdrawn)
        if withdrawn:
            self._table.withdraw_pgq(withdrawn)
        for kind, name in ((ItemKind.SCENE, self._options.downloader), (ItemKind.TILE, self._options.processor)):
            if wanted := [job for job in jobs if job.kind is kind and job.id not in gone]:
                self._table.publish_pgq(kind, name, RETRY_INTERVALS[kind], wanted)

    def drain_results(self, limit: int) -> Sequence[Result | None]:
        """What the services have put on the events queue, first those that wait the longest."""
        return [read_result(message) for message in self._table.drain_pgq(self._options.events, limit)]


class Event(msgspec.Struct):
    """What a service reports. It may say more, which is not looked at."""

    type: str
    id: int
    status: str
    message: str | None = None


def read_result(message: bytes) -> Result | None:
    """What a service reports; None, and a line in the log, if that is no result of a scene or tile.

    >>> read_result(b'{"type":"tile","id":7,"status":"Done","message":""}')
    Result(kind=<Kind.TILE: 'tile'>, id=7, status=<Status.DONE: 'DONE'>, message='', attempt=None)
    """
    try:
        event = msgspec.json.decode(message, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("A message on the events queue is no result: %s", error)
        return None
    kind, status = _KIND.get(event.type), _STATUS.get(event.status.upper())
    if kind is None or status is None or event.id < 1:
        log.warning("A message on the events queue is no result: %r %d to %r", event.type, event.id, event.status)
        return None
    return Result(kind=kind, id=event.id, status=status, message=(event.message or "").replace("\0", "\ufffd"))


class PgQueues:
    """Makes the queue of a server, and looks for results as long as that runs."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def configure(self, options: Mapping[str, object]) -> PgQueues:
        """The same with the options that the server was given for its queue; StoreUnavailable."""
        return PgQueues(Options.read(options))

    def __call__(self, outbox: Outbox) -> PgQueue:
        """The queue over a store; StoreUnavailable if it is not in PostgreSQL."""
        return PgQueue(outbox, self._options)

    def start_service(self, submit: Submit, _: Mapping[str, object]) -> ResultPoller:
        """Start to look for results."""
        return ResultPoller(submit, self._options.poll)


class ResultPoller:
    """Thread that drains the events queue every `interval` seconds, and immediately after a full batch."""

    def __init__(self, submit: Submit, interval: float) -> None:
        self._submit = submit
        self._interval = interval
        self._thread = RestartingThread("workflow-results", self._poll, interval)

    def close(self) -> None:
        """Stop the thread."""
        self._thread.close()

    def _poll(self, closing: threading.Event) -> None:
        try:
            count = self._submit(DrainResults(BATCH), WORKERS).result()
        except WorkflowError:  # the engine has logged it; the results stay in the table
            count = 0
        if count < BATCH:
            closing.wait(self._interval)


make_pgqueue = PgQueues()

"""The queue of the Geocube services: jobs and results are rows of the table pgq_jobs, in the database of the state.

A job is inserted in the transaction that dispatches its item; a result is deleted in the transaction that applies it.
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

#: results per transaction
BATCH = 500
#: retry intervals of a worker after temporary errors, as the services write them
RETRY_INTERVALS = {ItemKind.SCENE: ["10m0s"] * 9, ItemKind.TILE: ["1m0s", "10m0s", "30m0s"]}
#: actor of the services' results
WORKERS = "pgqueue"
_STATUS = {str(status): status for status in (Status.DONE, Status.RETRY, Status.FAILED)}
_KIND = {str(kind): kind for kind in ItemKind}


@runtime_checkable
class PgqTable(Protocol):
    """A store with the table pgq_jobs; see `store.postgres.PostgresWriter`."""

    def open_pgq(self) -> None: ...

    def publish_pgq(self, queue: ItemKind, name: str, waits: Sequence[str], jobs: Sequence[Job]) -> None: ...

    def withdraw_pgq(self, ids: Sequence[int]) -> None: ...

    def drain_pgq(self, name: str, limit: int) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Options:
    """Queue names, which must equal the names in the configuration of the services, and the poll interval."""

    events: str = "ingester-events"
    downloader: str = "ingester-downloader"
    processor: str = "ingester-processor"
    #: seconds between two polls for results
    poll: float = 1.0

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Options:
        """Parse `queue_options`; raise StoreUnavailable for an unknown or invalid option."""
        try:
            options = msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise StoreUnavailable(f"An option of the queue pgqueue is invalid (queue_options): {error}.") from None
        names = [option.name for option in fields(cls)]
        if unknown := sorted(set(values) - set(names)):
            raise StoreUnavailable(
                f"The queue pgqueue has no option {unknown[0]!r} (queue_options); it has {', '.join(names)}."
            )
        if options.poll <= 0:
            raise StoreUnavailable("The option poll of the queue pgqueue must be above 0 seconds (queue_options).")
        return options


class PgQueue(LeaseQueue):
    """Dispatches jobs to the Geocube downloader and processor; leases from before a change of the queue stay in force."""

    def __init__(self, outbox: Outbox, options: Options) -> None:
        super().__init__(outbox)
        if not isinstance(outbox, PgqTable):
            raise StoreUnavailable(
                "The queue pgqueue needs the database of the Geocube services: set store_url to postgresql://…"
            )
        outbox.open_pgq()
        self._table = outbox
        self._options = options

    def lease(
        self,
        commands: Sequence[LeaseJobs],
        now: datetime,  # noqa: ARG002 - interface of `JobQueue`
        aois: Mapping[str, Sequence[int]],  # noqa: ARG002
    ) -> list[list[LeasedJob]]:
        """Return no jobs: the services read their table."""
        return [[] for _ in commands]

    def publish(self, jobs: Sequence[Job], withdrawn: Sequence[int]) -> None:
        """Insert jobs into the table, and delete withdrawn jobs unless a worker has locked the row."""
        withdrawn_ids = set(withdrawn)
        if withdrawn:
            self._table.withdraw_pgq(withdrawn)
        for kind, name in ((ItemKind.SCENE, self._options.downloader), (ItemKind.TILE, self._options.processor)):
            if live := [job for job in jobs if job.kind is kind and job.id not in withdrawn_ids]:
                self._table.publish_pgq(kind, name, RETRY_INTERVALS[kind], live)

    def drain_results(self, limit: int) -> Sequence[Result | None]:
        """Remove and return results of the services, the oldest first."""
        return [read_result(message) for message in self._table.drain_pgq(self._options.events, limit)]


class Event(msgspec.Struct):
    """Report of a service; other fields are ignored."""

    type: str
    id: int
    status: str
    message: str | None = None


def read_result(message: bytes) -> Result | None:
    """Decode the report of a service; log and return None for an invalid one.

    >>> read_result(b'{"type":"tile","id":7,"status":"Done","message":""}')
    Result(kind=<ItemKind.TILE: 'tile'>, id=7, status=<Status.DONE: 'DONE'>, message='', attempt=None)
    """
    try:
        event = msgspec.json.decode(message, type=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("pgqueue_message_invalid reason=%s", error)
        return None
    kind, status = _KIND.get(event.type), _STATUS.get(event.status.upper())
    if kind is None or status is None or event.id < 1:
        log.warning("pgqueue_message_invalid type=%r id=%d status=%r", event.type, event.id, event.status)
        return None
    return Result(kind=kind, id=event.id, status=status, message=(event.message or "").replace("\0", "\ufffd"))


class PgQueues:
    """Factory of the queue and of its poller for results."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def configure(self, options: Mapping[str, object]) -> PgQueues:
        """Return a factory with the `queue_options` of the server; raise StoreUnavailable if they are invalid."""
        return PgQueues(Options.read(options))

    def __call__(self, outbox: Outbox) -> PgQueue:
        """Return the queue over a store; raise StoreUnavailable if the store is not in PostgreSQL."""
        return PgQueue(outbox, self._options)

    def start_service(self, submit: Submit, _: Mapping[str, object]) -> ResultPoller:
        """Start to poll for results."""
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

"""The queue of a server whose jobs go to a Dask cluster: leases, and a dispatcher within the server that takes them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from workflow_monitor.dask.cluster import Cluster
from workflow_monitor.dask.dispatcher import LEASE_SECONDS, Dispatcher
from workflow_monitor.dask.job import Job
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.dask.work import LIMIT, ImportedFunction, TaskSpec
from workflow_monitor.documents.validation import thread_safe_struct, validate
from workflow_monitor.domain.commands import Command, LeaseJobs, RenewLeases, ReportResults
from workflow_monitor.domain.errors import InvalidInput, StoreUnavailable
from workflow_monitor.domain.models import LeasedJob, Result
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind
from workflow_monitor.queues.interfaces import Submit
from workflow_monitor.queues.lease import LeaseQueue

log = logging.getLogger(__name__)

#: as whom the dispatcher acts
DASK = "dask"
#: seconds until a dispatcher that failed is started again
PAUSE = 5.0

_NAMES = {kind: name for name, kind in QUEUE_KINDS.items()}


class WorkOptions(Struct, forbid_unknown_fields=True):
    """What is done with the jobs of a queue; see `TaskSpec`."""

    #: `module:function`, as workers of the cluster import it
    function: str
    limit: Annotated[int, Meta(ge=1)] = LIMIT
    resources: dict[str, float] = field(default_factory=dict)
    priority: int = 0


@thread_safe_struct
class DaskOptions(Struct, forbid_unknown_fields=True):
    """The options of the queue; what has no function is left to workers that lease."""

    #: of the scheduler, such as tcp://scheduler:8786
    address: str
    scene: WorkOptions | None = None
    tile: WorkOptions | None = None
    lease_seconds: Annotated[int, Meta(ge=2, le=86_400)] = LEASE_SECONDS


class DaskQueue(LeaseQueue):
    """Leases as of any worker. Most are taken by the dispatcher of this server, others can take some as well."""

    @staticmethod
    def start_service(submit: Submit, options: Mapping[str, object]) -> DispatcherThread:
        """Start the dispatcher. Raises StoreUnavailable if the options are not those of a Dask queue."""
        try:
            fields = validate(dict(options), DaskOptions)
            given = {ItemKind.SCENE: fields.scene, ItemKind.TILE: fields.tile}
            work = {kind: _work(one) for kind, one in given.items() if one is not None}
        except (InvalidInput, ValueError) as error:
            raise StoreUnavailable(
                f"The queue dask cannot be used with its options (queue_options): {error}"
            ) from error
        return DispatcherThread(submit, fields.address, work, fields.lease_seconds)


def _work(fields: WorkOptions) -> TaskSpec:
    return TaskSpec(ImportedFunction(fields.function), fields.limit, fields.resources, fields.priority)


class DispatcherThread:
    """A dispatcher in a thread of its own, started again when it fails."""

    def __init__(self, submit: Submit, address: str, work: Mapping[ItemKind, TaskSpec], lease_seconds: int) -> None:
        self._source = LocalJobSource(submit)
        self._address = address
        self._work = work
        self._lease_seconds = lease_seconds
        self._closing = threading.Event()
        self._dispatcher = self._new()
        self._thread = threading.Thread(target=self._run, name="workflow-dask", daemon=True)
        self._thread.start()

    def _new(self) -> Dispatcher:
        return Dispatcher(self._source, Cluster(self._address), self._work, lease_seconds=self._lease_seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._dispatcher.run()
            except Exception:  # jobs have to go on; their leases keep them
                log.exception("The dispatcher to %s failed; it is started again", self._address)
                self._closing.wait(PAUSE)
                self._dispatcher = self._new()

    def close(self) -> None:
        """Give back what is not done; the thread has ended then."""
        self._closing.set()
        self._dispatcher.stop()
        self._thread.join()


class LocalJobSource:
    """The server itself as the source of jobs."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    def lease(self, kind: ItemKind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        leased: list[LeasedJob] = self._do(LeaseJobs(_NAMES[kind], limit, seconds, worker))
        return [(job.lease, _job(kind, job)) for job in leased]

    def renew(self, kind: ItemKind, leases: Sequence[str], seconds: int) -> list[str]:
        lost: list[str] = self._do(RenewLeases(_NAMES[kind], leases, seconds))
        return lost

    def report(self, results: Sequence[Result]) -> None:
        self._do(ReportResults(results))

    def _do(self, command: Command) -> Any:  # noqa: ANN401 - each command says what it answers
        try:
            return self._submit(command, DASK).result()
        except StoreUnavailable as error:
            raise ServerUnavailable(error.detail) from error


def _job(kind: ItemKind, leased: LeasedJob) -> Job:
    message = json.loads(leased.payload)
    return Job(kind, message["id"], leased.attempt, message)

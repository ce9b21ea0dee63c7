"""The queue for a Dask cluster: leases, and a dispatcher inside the server that submits the jobs."""

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

#: actor of the dispatcher's commands
DASK = "dask"
#: seconds until a failed dispatcher restarts
PAUSE = 5.0

_NAMES = {kind: name for name, kind in QUEUE_KINDS.items()}


class WorkOptions(Struct, forbid_unknown_fields=True):
    """Options for the jobs of one kind; see `TaskSpec`."""

    #: `module:function`, importable on the workers of the cluster
    function: str
    limit: Annotated[int, Meta(ge=1)] = LIMIT
    resources: dict[str, float] = field(default_factory=dict)
    priority: int = 0


@thread_safe_struct
class DaskOptions(Struct, forbid_unknown_fields=True):
    """Options of the queue. Jobs of a kind without a function stay for workers that lease over REST."""

    #: address of the scheduler, such as tcp://scheduler:8786
    address: str
    scene: WorkOptions | None = None
    tile: WorkOptions | None = None
    lease_seconds: Annotated[int, Meta(ge=2, le=86_400)] = LEASE_SECONDS


class DaskQueue(LeaseQueue):
    """Lease queue for the dispatcher of this server; other workers may lease jobs, too."""

    @staticmethod
    def start_service(submit: Submit, options: Mapping[str, object]) -> DispatcherThread:
        """Start the dispatcher; raise StoreUnavailable if the options are invalid."""
        try:
            fields = validate(dict(options), DaskOptions)
            by_kind = {ItemKind.SCENE: fields.scene, ItemKind.TILE: fields.tile}
            work = {kind: _work(options) for kind, options in by_kind.items() if options is not None}
        except (InvalidInput, ValueError) as error:
            raise StoreUnavailable(f"The options of the queue dask are invalid (queue_options): {error}") from error
        return DispatcherThread(submit, fields.address, work, fields.lease_seconds)


def _work(fields: WorkOptions) -> TaskSpec:
    return TaskSpec(ImportedFunction(fields.function), fields.limit, fields.resources, fields.priority)


class DispatcherThread:
    """A dispatcher in a background thread; it restarts after a failure."""

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
            except Exception:  # leases keep the jobs until the restart
                log.exception("dispatcher_failed scheduler=%s restart_seconds=%g", self._address, PAUSE)
                self._closing.wait(PAUSE)
                self._dispatcher = self._new()

    def close(self) -> None:
        """Release unfinished jobs and wait for the thread."""
        self._closing.set()
        self._dispatcher.stop()
        self._thread.join()


class LocalJobSource:
    """Source of jobs inside the server; see `dask.job_source.JobSource`."""

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

    def _do(self, command: Command) -> Any:  # noqa: ANN401 - each command has its own result type
        try:
            return self._submit(command, DASK).result()
        except StoreUnavailable as error:
            raise ServerUnavailable(error.detail) from error


def _job(kind: ItemKind, leased: LeasedJob) -> Job:
    message = json.loads(leased.payload)
    return Job(kind, message["id"], leased.attempt, message)

"""Jobs of a workflow server over HTTP, as a dispatcher takes them and answers for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from workflow_monitor.client import documents
from workflow_monitor.client.errors import MonitorError, RequestRejected, ResponseLost, ServerUnreachable
from workflow_monitor.client.http import JSON, Transport
from workflow_monitor.dask.job import Job
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind

if TYPE_CHECKING:
    from workflow_monitor.client.api import Api
    from workflow_monitor.dask import TaskSpec
    from workflow_monitor.dask.processing import Processing

_NAMES = {kind: name for name, kind in QUEUE_KINDS.items()}


@thread_safe_struct
class Leased(msgspec.Struct):
    """A job that was leased."""

    payload: dict[str, Any]
    attempt: int
    lease: str


@thread_safe_struct
class LeasedDocument(msgspec.Struct):
    """The jobs that were leased."""

    jobs: list[Leased]


@thread_safe_struct
class RenewedDocument(msgspec.Struct):
    """The leases that could not be prolonged."""

    lost: list[str]


class HttpJobSource:
    """The source of a dispatcher. Away as long as the server is; other errors are those of the client."""

    def __init__(self, connection: Transport, aoi: str | None = None) -> None:
        self._connection = connection
        #: name or pattern of the AOIs whose jobs are taken; None for all
        self._aoi = aoi

    def lease(self, kind: ItemKind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        asked = {"max": limit, "seconds": seconds, "worker": worker, "aoi": self._aoi}
        found = documents.read(LeasedDocument, self._write("POST", f"jobs/{_NAMES[kind]}/lease", asked))
        return [(one.lease, Job(kind, one.payload["id"], one.attempt, one.payload)) for one in found.jobs]

    def renew(self, kind: ItemKind, leases: Sequence[str], seconds: int) -> list[str]:
        asked = {"leases": list(leases), "seconds": seconds}
        return documents.read(RenewedDocument, self._write("PUT", f"jobs/{_NAMES[kind]}/lease", asked)).lost

    def report(self, results: Sequence[Result]) -> None:
        told = [
            {"type": one.kind, "id": one.id, "status": one.status, "message": one.message, "attempt": one.attempt}
            for one in results
        ]
        self._write("POST", "results", told)

    def _write(self, method: str, path: str, value: object) -> bytes:
        """The body of the answer. What is done twice here changes nothing, or a lease that nobody knows runs out."""
        try:
            answer = self._connection.send(method, path, body=json.dumps(value).encode(), media_type=JSON)
            return self._connection.checked(answer, path).body
        except (ServerUnreachable, ResponseLost) as error:
            why = str(error)
        except RequestRejected as error:
            if error.status < 500 and error.status != 429:
                raise
            why = str(error)
        raise ServerUnavailable(why)


class ProcessMixin:
    """What has jobs: a server, or an AOI of it."""

    _api: Api

    def _scope(self) -> str | None:
        """The name of the AOI whose jobs these are; None for all."""
        return None

    def process(
        self,
        cluster: Any,  # noqa: ANN401 - as Dask's own Client takes it
        *,
        scene: TaskSpec | Callable[[Job], object] | str | None = None,
        tile: TaskSpec | Callable[[Job], object] | str | None = None,
        lease_seconds: int = 60,
    ) -> Processing:
        """Have a Dask cluster do the jobs, in the background: `aoi.process` those of an AOI, `m.process` those of all.

        It needs `workflow-monitor[dask]`. `cluster` is a `dask.distributed` Client, an address, or a LocalCluster.
        `scene` and `tile` are functions that take a Job, and raise Retry or Fail where it did not succeed;
        `Work(function, …)` also says how many jobs are at the cluster at once, which resources they need, and their
        priority. Jobs of a kind without a function are left to others. Jobs whose server, scheduler or worker dies are
        handed out again, within `lease_seconds`.

        >>> from distributed import Client
        >>> from workflow_monitor.dask import RetryJob
        >>> def download(job):
        ...     raise RetryJob(f"{job.source_id[:3]} is not there yet")
        >>> aoi = m["DenmarkS2"]
        >>> with Client(processes=False, dashboard_address=":0") as dask, aoi.process(dask, scene=download) as work:
        ...     summary = aoi.watch(timeout=60)
        >>> summary.ended, summary.after.overview.scenes["RETRY"]
        ('idle', 6)
        """
        try:
            from workflow_monitor.dask.processing import Processing  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            missing = error.name
        else:
            jobs = self._api.jobs(self._scope())
            return Processing(jobs, cluster, {ItemKind.SCENE: scene, ItemKind.TILE: tile}, lease_seconds)
        raise MonitorError(f"{missing} is not installed here: pip install 'workflow-monitor[dask]'")

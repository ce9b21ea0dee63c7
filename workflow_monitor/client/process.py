"""Processing of jobs on a Dask cluster, from a Monitor or an AOI."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import MonitorError
from workflow_monitor.domain.status import ItemKind

if TYPE_CHECKING:
    from workflow_monitor.client.api import Api
    from workflow_monitor.dask import TaskSpec
    from workflow_monitor.dask.job import Job
    from workflow_monitor.dask.processing import Processing


class ProcessMixin:
    """Dask processing for an object with jobs: a server or one of its AOIs."""

    _api: Api

    def _scope(self) -> str | None:
        """Return the name of the AOI to process; None for all AOIs."""
        return None

    def process(
        self,
        cluster: Any,  # noqa: ANN401 - as Dask's own Client takes it
        *,
        scene: TaskSpec | Callable[[Job], object] | str | None = None,
        tile: TaskSpec | Callable[[Job], object] | str | None = None,
        lease_seconds: int = 60,
    ) -> Processing:
        """Process jobs on a Dask cluster in the background: `aoi.process` those of an AOI, `m.process` those of all.

        `cluster` is a `dask.distributed` Client, a LocalCluster or a scheduler address. `scene` and `tile` are
        functions of a Job that raise RetryJob or FailJob on failure; `TaskSpec(function, …)` also sets resources,
        priority and the count of concurrent jobs. Jobs of a kind without a function stay in their queue. When the
        server, the scheduler or a worker dies, its jobs are dispatched again after at most `lease_seconds` seconds.
        Raises MonitorError if `workflow-monitor[dask]` is not installed.

        >>> from distributed import Client
        >>> from workflow_monitor.dask import RetryJob
        >>> def download(job):
        ...     raise RetryJob(f"{job.source_id[:3]} is not available yet")
        >>> aoi = m["DenmarkS2"]
        >>> with Client(processes=False, dashboard_address=":0") as dask, aoi.process(dask, scene=download) as work:
        ...     summary = aoi.watch(timeout=60)
        >>> summary.ended, summary.after.scenes["RETRY"]
        ('idle', 6)
        """
        try:
            from workflow_monitor.dask.processing import Processing  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            module = error.name
        else:
            jobs = self._api.jobs(self._scope())
            return Processing(jobs, cluster, {ItemKind.SCENE: scene, ItemKind.TILE: tile}, lease_seconds)
        raise MonitorError(f"{module} is not installed. Install it: pip install 'workflow-monitor[dask]'")

"""A dispatcher in a background thread, for notebooks and scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from workflow_monitor.dask.cluster import Cluster
from workflow_monitor.dask.dispatcher import Dispatcher, Stats
from workflow_monitor.dask.job import Job
from workflow_monitor.dask.job_source import JobSource
from workflow_monitor.dask.work import TaskSpec, to_task_spec
from workflow_monitor.domain.status import ItemKind


class Processing:
    """Processes the jobs of a workflow server on a Dask cluster, in the background, until `finish` or `stop`.

    As a context manager it stops at the end. An error that ended the dispatcher is raised by each method.
    """

    def __init__(
        self,
        source: JobSource,
        cluster: Any,  # noqa: ANN401 - any argument of Dask's Client
        functions: Mapping[ItemKind, TaskSpec | Callable[[Job], object] | str | None],
        lease_seconds: int,
    ) -> None:
        work = {kind: to_task_spec(function) for kind, function in functions.items() if function is not None}
        if not work:
            raise ValueError("No function: pass one for scenes, for tiles, or for both.")
        self._cluster = Cluster(cluster)
        self._dispatcher = Dispatcher(source, self._cluster, work, lease_seconds=lease_seconds)
        self._failure: BaseException | None = None
        # the leases of a kernel that ends expire, so no join is needed
        self._thread = threading.Thread(target=self._run, name="workflow-dask", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._dispatcher.run()
        except Exception as error:  # noqa: BLE001 - raised again by the next call
            self._failure = error

    @property
    def stats(self) -> Stats:
        """Counts of jobs at the cluster and of ended ones."""
        return self._dispatcher.stats

    @property
    def is_running(self) -> bool:
        """True while jobs are leased or at the cluster."""
        return self._thread.is_alive()

    def finish(self, timeout: float | None = None) -> None:
        """Lease no more jobs, and wait for the submitted ones; raise TimeoutError after `timeout` seconds."""
        self._dispatcher.finish()
        self._join(timeout)

    def stop(self, timeout: float | None = None) -> None:
        """Cancel the submitted jobs and release their leases; raise TimeoutError after `timeout` seconds."""
        self._dispatcher.stop()
        self._join(timeout)

    def _join(self, timeout: float | None) -> None:
        self._thread.join(timeout)
        if self._failure is not None:
            raise self._failure
        if self._thread.is_alive():
            raise TimeoutError(f"Still running after {timeout} seconds: {self!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        tally = self.stats
        counts = (
            f"{getattr(tally, name)} {name}" for name in Stats.__slots__ if getattr(tally, name) or name == "done"
        )
        state = "on" if self.is_running else "ended, was on"
        last_error = str(self._failure or self._dispatcher.last_error)
        return (
            f"<Processing {state} {self._cluster.name}: {', '.join(counts)}{f'; {last_error}' if last_error else ''}>"
        )

"""A dispatcher that works in the background, as people start and stop it."""

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
    """The jobs of a workflow server at a Dask cluster, in the background, until `finish` or `stop`.

    With `with` it stops at the end. What made it end by itself is raised by each of its methods.
    """

    def __init__(
        self,
        source: JobSource,
        cluster: Any,  # noqa: ANN401 - as Dask's own Client takes it
        functions: Mapping[ItemKind, TaskSpec | Callable[[Job], object] | str | None],
        lease_seconds: int,
    ) -> None:
        work = {kind: to_task_spec(given) for kind, given in functions.items() if given is not None}
        if not work:
            raise ValueError("There is nothing to do: give a function for scenes, for tiles, or both.")
        self._cluster = Cluster(cluster)
        self._dispatcher = Dispatcher(source, self._cluster, work, lease_seconds=lease_seconds)
        self._failure: BaseException | None = None
        # The leases of a kernel that ends run out; nobody has to wait for its jobs.
        self._thread = threading.Thread(target=self._run, name="workflow-dask", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._dispatcher.run()
        except Exception as error:  # noqa: BLE001 - raised where somebody sees it
            self._failure = error

    @property
    def stats(self) -> Stats:
        """How many jobs are at the cluster, and what became of the others."""
        return self._dispatcher.stats

    @property
    def is_running(self) -> bool:
        """Whether jobs are taken, or are still at the cluster."""
        return self._thread.is_alive()

    def finish(self, timeout: float | None = None) -> None:
        """Take no more jobs, and wait until those at the cluster have ended. Raises TimeoutError after so many seconds."""
        self._dispatcher.finish()
        self._join(timeout)

    def stop(self, timeout: float | None = None) -> None:
        """Withdraw what is at the cluster and give it back, so that others get it. Raises TimeoutError."""
        self._dispatcher.stop()
        self._join(timeout)

    def _join(self, timeout: float | None) -> None:
        self._thread.join(timeout)
        if self._failure is not None:
            raise self._failure
        if self._thread.is_alive():
            raise TimeoutError(f"It has not ended within {timeout} seconds: {self!r}")

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

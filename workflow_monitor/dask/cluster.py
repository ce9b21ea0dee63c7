"""Access of the dispatcher to a Dask cluster."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError
from functools import partial
from types import NoneType
from typing import Any, TypeAlias

import cloudpickle
from distributed import Client, Future

from workflow_monitor.dask.job import LONGEST_MESSAGE, Job, JobFailure, run_job
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.dask.work import PickledFunction, TaskSpec
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import Status

#: seconds to wait for the scheduler before an own client is replaced
CONNECT_SECONDS = 3


#: seconds to wait for the message of a failed job
FETCH_SECONDS = 5

# Future is generic in distributed 2025.4 and newer.
Task: TypeAlias = "Future[JobFailure | None]"


class ClientClosed(Exception):
    """The caller's client is closed and accepts no tasks."""


class Cluster:
    """A cluster by its address, a LocalCluster or similar, or a Client owned by the caller."""

    def __init__(self, where: Any) -> None:  # noqa: ANN401 - any argument of Dask's Client
        self._where = where
        self._is_own = not isinstance(where, Client)
        self._client: Client | None = None if self._is_own else where
        if self._client is not None and self._client.asynchronous:
            raise TypeError("An asynchronous Client cannot be used; give Client(address), or the address.")
        # other workflow servers may submit the same ids
        self._mark = uuid.uuid4().hex

    @property
    def name(self) -> str:
        """Address of the cluster, for messages."""
        if isinstance(self._where, str):
            return self._where
        scheduler = self._where.scheduler if isinstance(self._where, Client) else self._where
        return str(getattr(scheduler, "address", None) or getattr(scheduler, "scheduler_address", "an unknown address"))

    def connection(self) -> object:
        """Return the present connection; tasks of an earlier one are lost. Raise ServerUnavailable or ClientClosed."""
        client = self._connected()
        if client.scheduler_comm is None or client.status != "running":
            raise ServerUnavailable(f"The Dask scheduler at {self.name} does not respond.")
        return client.scheduler_comm

    def _connected(self) -> Client:
        if self._client is not None and self._client.status not in {"closing", "closed"}:
            return self._client
        if not self._is_own:
            raise ClientClosed(f"The Dask client of {self.name} is closed; start again with another.")
        try:
            self._client = Client(self._where, timeout=CONNECT_SECONDS, set_as_default=False, name="workflow-monitor")
        except (OSError, TimeoutError) as error:
            raise ServerUnavailable(f"The Dask scheduler at {self.name} does not respond ({error}).") from error
        return self._client

    def submit(self, jobs: Sequence[Job], work: TaskSpec, function: PickledFunction) -> list[Task]:
        """Submit each job as a task that calls the pickled function."""
        futures: list[Task] = self._connected().map(
            partial(run_job, function),
            jobs,
            key=[f"{job.kind}-{job.id}-{job.attempt}-{self._mark}" for job in jobs],
            resources=dict(work.resources) or None,
            priority=work.priority,
            pure=False,
        )
        return futures

    def close(self) -> None:
        """Close an own client."""
        if self._is_own and self._client is not None:
            self._client.close(timeout=CONNECT_SECONDS)


def pickle_function(work: TaskSpec) -> PickledFunction:
    """Pickle the function of a task specification; raise any pickling error."""
    return PickledFunction(cloudpickle.dumps(work.function))


def result_of(future: Task, job: Job) -> Result | None:
    """Return the result of a job, None while it runs; raise LookupError if the cluster lost it."""
    if future.status in {"pending", "lost"}:
        # Dask reruns tasks of a dead worker
        return None
    if future.status == "cancelled":
        raise LookupError(future.key)
    if future.status == "error":
        # the task could not start, or its workers died
        error = future.exception()
        return _result(job, Status.RETRY, f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE])
    if future.type is NoneType:
        # the type came with the status, so no fetch is needed
        return _result(job, Status.DONE)
    try:
        failure = future.result(timeout=FETCH_SECONDS)
    except (TimeoutError, CancelledError, OSError):
        # its worker died; the next status decides
        return None
    return _result(job, Status.DONE) if failure is None else _result(job, failure.status, failure.message)


def _result(job: Job, status: Status, message: str = "") -> Result:
    return Result(kind=job.kind, id=job.id, status=status, message=message, attempt=job.attempt)

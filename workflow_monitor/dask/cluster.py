"""A Dask cluster, as the dispatcher uses it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError
from functools import partial
from types import NoneType
from typing import Any

import cloudpickle
from distributed import Client, Future

from workflow_monitor.dask.job import LONGEST_MESSAGE, Job, JobFailure, run_job
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.dask.work import PickledFunction, TaskSpec
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import Status

#: how long a scheduler may take to answer, seconds; a client of our own is made anew after that
CONNECT_SECONDS = 3


#: how long the message of a job that did not succeed may take to be had, seconds
FETCH_SECONDS = 5

Task = Future[JobFailure | None]


class ClientClosed(Exception):
    """The client that was given is closed, so that nothing can be submitted any more."""


class Cluster:
    """A cluster by its address, a LocalCluster or the like, or a Client that stays the caller's own."""

    def __init__(self, where: Any) -> None:  # noqa: ANN401 - as Dask's own Client takes it
        self._where = where
        self._is_own = not isinstance(where, Client)
        self._client: Client | None = None if self._is_own else where
        if self._client is not None and self._client.asynchronous:
            raise TypeError("An asynchronous Client cannot be used; give Client(address), or the address.")
        # The same ids come from other workflow servers, too.
        self._mark = uuid.uuid4().hex

    @property
    def name(self) -> str:
        """Where the cluster is, for people."""
        if isinstance(self._where, str):
            return self._where
        scheduler = self._where.scheduler if isinstance(self._where, Client) else self._where
        return str(getattr(scheduler, "address", None) or getattr(scheduler, "scheduler_address", "an unknown address"))

    def connection(self) -> object:
        """The present connection; what was submitted by another is lost. Raises Away, ClientClosed."""
        client = self._connected()
        if client.scheduler_comm is None or client.status != "running":
            raise ServerUnavailable(f"The Dask scheduler at {self.name} does not answer.")
        return client.scheduler_comm

    def _connected(self) -> Client:
        if self._client is not None and self._client.status not in {"closing", "closed"}:
            return self._client
        if not self._is_own:
            raise ClientClosed(f"The Dask client of {self.name} is closed; start again with another.")
        try:
            self._client = Client(self._where, timeout=CONNECT_SECONDS, set_as_default=False, name="workflow-monitor")
        except (OSError, TimeoutError) as error:
            raise ServerUnavailable(f"The Dask scheduler at {self.name} does not answer ({error}).") from error
        return self._client

    def submit(self, jobs: Sequence[Job], work: TaskSpec, function: PickledFunction) -> list[Task]:
        """Submit each job as a task that calls the function, which is that of the work."""
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
        """Let go of the client, if it is our own."""
        if self._is_own and self._client is not None:
            self._client.close(timeout=CONNECT_SECONDS)


def pickle_function(work: TaskSpec) -> PickledFunction:
    """The function of some work, as it is sent. Raises what pickling raises, if it cannot be sent."""
    return PickledFunction(cloudpickle.dumps(work.function))


def result_of(future: Task, job: Job) -> Result | None:
    """What became of a job; None as long as it runs. Raises LookupError if the cluster has lost it."""
    if future.status in {"pending", "lost"}:
        # Dask computes by itself again what was on a worker that died.
        return None
    if future.status == "cancelled":
        raise LookupError(future.key)
    if future.status == "error":
        # It could not be begun, or the workers that began it died.
        error = future.exception()
        return _result(job, Status.RETRY, f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE])
    if future.type is NoneType:
        # Dask told the type already, so that nothing has to be fetched.
        return _result(job, Status.DONE)
    try:
        told = future.result(timeout=FETCH_SECONDS)
    except (TimeoutError, CancelledError, OSError):
        # Its worker died meanwhile; the status will tell.
        return None
    return _result(job, Status.DONE) if told is None else _result(job, told.status, told.message)


def _result(job: Job, status: Status, message: str = "") -> Result:
    return Result(kind=job.kind, id=job.id, status=status, message=message, attempt=job.attempt)

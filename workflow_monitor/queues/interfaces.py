"""The interfaces of a queue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from workflow_monitor.domain.commands import Command, LeaseJobs, RenewLeases
from workflow_monitor.domain.models import Job, LeasedJob, Result

#: submits a command on behalf of an actor; see `engine.command_processor.CommandProcessor.submit`
Submit = Callable[[Command, str], Future[Any]]


class JobQueue(Protocol):
    """Dispatches the jobs of the outbox to workers, and reports jobs of silent workers.

    The writer thread calls all methods, within a transaction except for `next_expiry`.
    """

    @property
    def next_expiry(self) -> datetime | None:
        """Time of the next lease expiry, UTC; None without leases."""

    def lease(
        self, commands: Sequence[LeaseJobs], now: datetime, aois: Mapping[str, Sequence[int]]
    ) -> list[list[LeasedJob]]:
        """Lease jobs to workers; return the jobs of each command, at most its limit.

        Commands for the same AOIs are served in order, oldest jobs first. `aois` maps each AOI name or pattern of the
        commands to AOI ids.
        """

    def renew(self, command: RenewLeases, now: datetime) -> Collection[str]:
        """Extend leases; return the leases that are in force."""

    def publish(self, jobs: Sequence[Job], withdrawn: Sequence[int]) -> None:
        """Handle newly stored jobs, and the ids of withdrawn jobs, which no worker may start."""

    def drain_results(self, limit: int) -> Sequence[Result | None]:
        """Remove and return up to `limit` results from the queue, in order; None for an unreadable message."""

    def expired_jobs(self, now: datetime) -> Sequence[Job]:
        """Return the jobs with an expired lease."""


class QueueService(Protocol):
    """Background service of a queue, as long as the server runs."""

    def close(self) -> None:
        """Stop; the engine accepts commands until this returns."""


@runtime_checkable
class HasService(Protocol):
    """A queue factory with a background service."""

    def start_service(self, submit: Submit, options: Mapping[str, object]) -> QueueService:
        """Start the service with the `queue_options` of the server.

        Raise StoreUnavailable if the options are invalid.
        """


@runtime_checkable
class Configurable(Protocol):
    """A queue factory with options of its own."""

    def configure(self, options: Mapping[str, object]) -> Any:  # noqa: ANN401 - the factory comes from a plug-in
        """Return the factory with these options; raise StoreUnavailable if they are invalid."""

"""How jobs reach workers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from workflow_monitor.domain.commands import Command, LeaseJobs, RenewLeases
from workflow_monitor.domain.models import Job, LeasedJob, Result

#: has a command carried out on behalf of somebody; see `engine.workflow.Workflow.submit`
Submit = Callable[[Command, str], Future[Any]]


class JobQueue(Protocol):
    """Hands the jobs of the outbox to workers and takes them back from those that do not answer.

    All methods are called on the writer thread, within a transaction but for `next_expiry`.
    """

    @property
    def next_expiry(self) -> datetime | None:
        """When the next lease runs out."""

    def lease(
        self, commands: Sequence[LeaseJobs], now: datetime, aois: Mapping[str, Sequence[int]]
    ) -> list[list[LeasedJob]]:
        """Give jobs to workers: to each what its command asks for, as far as there is.

        Of those who ask for the jobs of the same AOIs, the first to ask gets the oldest. `aois` has the numbers of the
        AOIs that commands ask for by a name or pattern.
        """

    def renew(self, command: RenewLeases, now: datetime) -> Collection[str]:
        """Prolong leases and answer those that are in force."""

    def publish(self, jobs: Sequence[Job], withdrawn: Sequence[int]) -> None:
        """Told of jobs that have been stored, and of those, by number, that nobody shall start any more."""

    def drain_results(self, limit: int) -> Sequence[Result | None]:
        """Up to so many results that workers have put on the queue, in order; None for what is none of an item."""

    def expired_jobs(self, now: datetime) -> Sequence[Job]:
        """The jobs whose lease has run out."""


class QueueService(Protocol):
    """What serves a queue beside the requests of workers, as long as the server runs."""

    def close(self) -> None:
        """End; the workflow still takes commands until this returns."""


@runtime_checkable
class HasService(Protocol):
    """A maker of queues that has an attendant, too."""

    def start_service(self, submit: Submit, options: Mapping[str, object]) -> QueueService:
        """Start the attendant, with the options that the server was given for its queue.

        Raises StoreUnavailable if it cannot be had with these.
        """


@runtime_checkable
class Configurable(Protocol):
    """A maker of queues that have to know the options themselves."""

    def configure(self, options: Mapping[str, object]) -> Any:  # noqa: ANN401 - what makes a queue comes from a plug-in
        """The maker with these options. Raises StoreUnavailable if they are not right."""

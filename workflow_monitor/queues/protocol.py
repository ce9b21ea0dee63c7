"""How jobs reach workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from workflow_monitor.domain.commands import Lease, RenewLeases
from workflow_monitor.domain.model import JobOrder, LeasedJob


class JobQueue(Protocol):
    """Hands the jobs of the outbox to workers and takes them back from those that do not answer.

    All methods are called on the writer thread, within a transaction but for `next_expiry`.
    """

    @property
    def next_expiry(self) -> datetime | None:
        """When the next lease runs out."""

    def lease(self, commands: Sequence[Lease], now: datetime) -> list[list[LeasedJob]]:
        """Give jobs to workers, in the order in which they asked: to each what its command asks for, as far as there is."""

    def renew(self, command: RenewLeases, now: datetime) -> Collection[str]:
        """Prolong leases and answer those that are in force."""

    def overdue(self, now: datetime) -> Sequence[JobOrder]:
        """The jobs whose lease has run out."""

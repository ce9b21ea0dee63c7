"""The built-in queue: workers lease jobs over REST; what they do not answer for in time goes to others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from workflow_monitor.domain.commands import LeaseJobs, RenewLeases
from workflow_monitor.domain.models import Job, LeasedJob, LeaseGrant, Result
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind


class Outbox(Protocol):
    """The jobs as a store keeps them; see `store.protocol.Writer`."""

    def lease(self, queue: ItemKind, offers: Sequence[LeaseGrant], aois: Sequence[int] | None) -> list[LeasedJob]: ...

    def renew(self, queue: ItemKind, leases: Sequence[str], now: datetime, until: datetime) -> list[str]: ...

    def expired_jobs(self, now: datetime) -> list[Job]: ...

    def next_expiry(self) -> datetime | None: ...


def _new_lease() -> str:
    return secrets.token_urlsafe(16)


class LeaseQueue:
    """Leases kept in the store, so that they survive a restart."""

    def __init__(self, outbox: Outbox, new_lease: Callable[[], str] = _new_lease) -> None:
        self._outbox = outbox
        self._new_lease = new_lease
        #: no lease runs out before this; the true time may be later, since leases are renewed and returned
        self._next_expiry = outbox.next_expiry()

    @property
    def next_expiry(self) -> datetime | None:
        return self._next_expiry

    def lease(
        self, commands: Sequence[LeaseJobs], now: datetime, aois: Mapping[str, Sequence[int]]
    ) -> list[list[LeasedJob]]:
        # those who ask for the jobs of the same AOIs are served by one look
        looks: dict[tuple[str, str | None], list[LeaseJobs]] = {}
        for command in commands:
            looks.setdefault((command.queue, command.aoi), []).append(command)
        taken = {
            (queue, aoi): iter(self._lease(QUEUE_KINDS[queue], asked, now, None if aoi is None else aois[aoi]))
            for (queue, aoi), asked in looks.items()
        }
        return [list(islice(taken[command.queue, command.aoi], command.limit)) for command in commands]

    def _lease(
        self, queue: ItemKind, commands: Sequence[LeaseJobs], now: datetime, aois: Sequence[int] | None
    ) -> list[LeasedJob]:
        offers = [
            LeaseGrant(self._new_lease(), command.worker, now + timedelta(seconds=command.seconds))
            for command in commands
            for _ in range(command.limit)
        ]
        jobs = self._outbox.lease(queue, offers, aois)
        known = [] if self._next_expiry is None else [self._next_expiry]
        self._next_expiry = min((*known, *(job.expires for job in jobs)), default=None)
        return jobs

    def renew(self, command: RenewLeases, now: datetime) -> Collection[str]:
        until = now + timedelta(seconds=command.seconds)
        renewed = self._outbox.renew(QUEUE_KINDS[command.queue], command.leases, now, until)
        if renewed and self._next_expiry is not None and until < self._next_expiry:
            self._next_expiry = until
        return renewed

    def publish(self, jobs: Sequence[Job], withdrawn: Sequence[int]) -> None:
        """Nothing has to be done: workers lease what is stored."""

    def drain_results(self, limit: int) -> Sequence[Result | None]:  # noqa: ARG002 - as any queue is asked
        """None: workers report over REST."""
        return ()

    def expired_jobs(self, now: datetime) -> Sequence[Job]:
        if self._next_expiry is None or self._next_expiry > now:
            return ()
        jobs = self._outbox.expired_jobs(now)
        # those that are overdue are about to be withdrawn
        self._next_expiry = self._outbox.next_expiry() if not jobs else now
        return jobs

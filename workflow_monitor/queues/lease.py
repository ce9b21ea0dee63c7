"""The built-in queue: workers lease jobs over REST; what they do not answer for in time goes to others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from workflow_monitor.domain.commands import Lease, RenewLeases
from workflow_monitor.domain.models import JobOrder, LeasedJob, Offer, Result
from workflow_monitor.domain.status import QUEUES, Kind


class Outbox(Protocol):
    """The jobs as a store keeps them; see `store.protocol.Writer`."""

    def lease(self, queue: Kind, offers: Sequence[Offer], aois: Sequence[int] | None) -> list[LeasedJob]: ...

    def renew(self, queue: Kind, leases: Sequence[str], now: datetime, until: datetime) -> list[str]: ...

    def overdue(self, now: datetime) -> list[JobOrder]: ...

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
        self, commands: Sequence[Lease], now: datetime, aois: Mapping[str, Sequence[int]]
    ) -> list[list[LeasedJob]]:
        # those who ask for the jobs of the same AOIs are served by one look
        looks: dict[tuple[str, str | None], list[Lease]] = {}
        for command in commands:
            looks.setdefault((command.queue, command.aoi), []).append(command)
        taken = {
            (queue, aoi): iter(self._take(QUEUES[queue], asked, now, None if aoi is None else aois[aoi]))
            for (queue, aoi), asked in looks.items()
        }
        return [list(islice(taken[command.queue, command.aoi], command.limit)) for command in commands]

    def _take(
        self, queue: Kind, commands: Sequence[Lease], now: datetime, aois: Sequence[int] | None
    ) -> list[LeasedJob]:
        offers = [
            Offer(self._new_lease(), command.worker, now + timedelta(seconds=command.seconds))
            for command in commands
            for _ in range(command.limit)
        ]
        jobs = self._outbox.lease(queue, offers, aois)
        known = [] if self._next_expiry is None else [self._next_expiry]
        self._next_expiry = min((*known, *(job.expires for job in jobs)), default=None)
        return jobs

    def renew(self, command: RenewLeases, now: datetime) -> Collection[str]:
        until = now + timedelta(seconds=command.seconds)
        renewed = self._outbox.renew(QUEUES[command.queue], command.leases, now, until)
        if renewed and self._next_expiry is not None and until < self._next_expiry:
            self._next_expiry = until
        return renewed

    def publish(self, jobs: Sequence[JobOrder], withdrawn: Sequence[int]) -> None:
        """Nothing has to be done: workers lease what is stored."""

    def take_results(self, limit: int) -> Sequence[Result | None]:  # noqa: ARG002 - as any queue is asked
        """None: workers report over REST."""
        return ()

    def overdue(self, now: datetime) -> Sequence[JobOrder]:
        if self._next_expiry is None or self._next_expiry > now:
            return ()
        jobs = self._outbox.overdue(now)
        # those that are overdue are about to be withdrawn
        self._next_expiry = self._outbox.next_expiry() if not jobs else now
        return jobs

"""The built-in queue: workers lease jobs over REST; expired leases make jobs available again."""

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
    """The job table of a store; see `store.interfaces.Writer`."""

    def lease(self, queue: ItemKind, offers: Sequence[LeaseGrant], aois: Sequence[int] | None) -> list[LeasedJob]: ...

    def renew(self, queue: ItemKind, leases: Sequence[str], now: datetime, until: datetime) -> list[str]: ...

    def expired_jobs(self, now: datetime) -> list[Job]: ...

    def next_expiry(self) -> datetime | None: ...


def _new_lease() -> str:
    return secrets.token_urlsafe(16)


class LeaseQueue:
    """Queue with leases in the store, which survive a restart."""

    def __init__(self, outbox: Outbox, new_lease: Callable[[], str] = _new_lease) -> None:
        self._outbox = outbox
        self._new_lease = new_lease
        #: lower bound of the next expiry; the true time may be later, since leases are renewed and returned
        self._next_expiry = outbox.next_expiry()

    @property
    def next_expiry(self) -> datetime | None:
        return self._next_expiry

    def lease(
        self, commands: Sequence[LeaseJobs], now: datetime, aois: Mapping[str, Sequence[int]]
    ) -> list[list[LeasedJob]]:
        # one query serves all commands for the same queue and AOIs
        groups: dict[tuple[str, str | None], list[LeaseJobs]] = {}
        for command in commands:
            groups.setdefault((command.queue, command.aoi), []).append(command)
        leased = {
            (queue, aoi): iter(self._lease(QUEUE_KINDS[queue], group, now, None if aoi is None else aois[aoi]))
            for (queue, aoi), group in groups.items()
        }
        return [list(islice(leased[command.queue, command.aoi], command.limit)) for command in commands]

    def _lease(
        self, queue: ItemKind, commands: Sequence[LeaseJobs], now: datetime, aois: Sequence[int] | None
    ) -> list[LeasedJob]:
        grants = [
            LeaseGrant(self._new_lease(), command.worker, now + timedelta(seconds=command.seconds))
            for command in commands
            for _ in range(command.limit)
        ]
        jobs = self._outbox.lease(queue, grants, aois)
        expiries = [] if self._next_expiry is None else [self._next_expiry]
        self._next_expiry = min((*expiries, *(job.expires for job in jobs)), default=None)
        return jobs

    def renew(self, command: RenewLeases, now: datetime) -> Collection[str]:
        until = now + timedelta(seconds=command.seconds)
        renewed = self._outbox.renew(QUEUE_KINDS[command.queue], command.leases, now, until)
        if renewed and self._next_expiry is not None and until < self._next_expiry:
            self._next_expiry = until
        return renewed

    def publish(self, jobs: Sequence[Job], withdrawn: Sequence[int]) -> None:
        """Do nothing: workers lease stored jobs."""

    def drain_results(self, limit: int) -> Sequence[Result | None]:  # noqa: ARG002 - interface of `JobQueue`
        """Return nothing: workers report over REST."""
        return ()

    def expired_jobs(self, now: datetime) -> Sequence[Job]:
        if self._next_expiry is None or self._next_expiry > now:
            return ()
        jobs = self._outbox.expired_jobs(now)
        # the expired leases end in this transaction
        self._next_expiry = self._outbox.next_expiry() if not jobs else now
        return jobs

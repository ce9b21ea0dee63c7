"""Where a dispatcher has its jobs from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from workflow_monitor.dask.job import Job
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind


class ServerUnavailable(Exception):
    """The workflow server, or the cluster, cannot be reached at the moment; it is tried again."""


class JobSource(Protocol):
    """A workflow server, as a dispatcher speaks to it. Each call raises Away if the server may answer it later."""

    def lease(self, kind: ItemKind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        """Take up to `limit` jobs for some seconds: leases with their jobs, the oldest first."""

    def renew(self, kind: ItemKind, leases: Sequence[str], seconds: int) -> list[str]:
        """Prolong leases by so many seconds from now, and answer those that are not in force any more."""

    def report(self, results: Sequence[Result]) -> None:
        """Tell what became of jobs; telling it twice changes nothing."""

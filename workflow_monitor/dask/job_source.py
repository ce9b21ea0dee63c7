"""The interface between a dispatcher and a workflow server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from workflow_monitor.dask.job import Job
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind


class ServerUnavailable(Exception):
    """The workflow server or the cluster is unavailable; the dispatcher retries."""


class JobSource(Protocol):
    """A workflow server. Each call raises ServerUnavailable for a temporary failure."""

    def lease(self, kind: ItemKind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        """Lease up to `limit` jobs; return pairs of lease and job, the oldest first."""

    def renew(self, kind: ItemKind, leases: Sequence[str], seconds: int) -> list[str]:
        """Extend leases to `seconds` from now; return the leases no longer in force."""

    def report(self, results: Sequence[Result]) -> None:
        """Report results; idempotent."""

"""Limits of the REST interface."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_monitor.domain.limits import DEFAULTS, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Sizes in bytes, durations in seconds."""

    max_body: int = 8 * 2**20
    max_ingest: int = 256 * 2**20
    #: bytes of the bodies of all current requests
    max_bodies: int = 512 * 2**20
    documents: Limits = DEFAULTS
    max_streams: int = 64
    keep_alive: float = 15.0
    slow_reader: float = 30.0
    drawing: float = 20.0
    drawing_threads: int = 2
    max_queued_drawings: int = 16
    #: minimum pause between two attempts to open the store
    retry_opening: float = 5.0
    #: interval of pruning, and the age from which cancelled jobs and events are pruned; None keeps all events
    prune_interval: float = 3600.0
    keep_jobs: float = 86400.0
    keep_events: float | None = None
    #: number of backups to keep
    keep_backups: int = 7

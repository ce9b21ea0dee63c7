"""Commands of the workflow. A command takes effect as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import NewScene, Result
from workflow_monitor.domain.status import ItemKind, Status


@dataclass(frozen=True, slots=True)
class CreateAOI:
    """Create an empty AOI. Raises AOIExists."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteAOI:
    """Delete an AOI with its scenes, tiles, jobs and their events. Raises AOINotFound."""

    name: str


@dataclass(frozen=True, slots=True)
class Ingest:
    """Add scenes with their tiles to the graph, in this order, all or none.

    With `skip_existing`, scenes whose source id the AOI already has stay as they are and the others are added. Returns
    an IngestOutcome. Raises AOINotFound, SceneExists, InvalidInput (a link to an unknown tile), Conflict (a link to a
    FAILED tile).
    """

    aoi: str
    scenes: Sequence[NewScene]
    skip_existing: bool = False


@dataclass(frozen=True, slots=True)
class ReportResults:
    """Apply results of workers in order. Returns a ResultOutcome for each; raises nothing."""

    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class RetryItem:
    """Dispatch an item in RETRY again. Raises ItemNotFound, InvalidTransition."""

    kind: ItemKind
    id: int


@dataclass(frozen=True, slots=True)
class FailItem:
    """Fail an item in RETRY or, with `force`, in any status. Raises ItemNotFound, InvalidTransition."""

    kind: ItemKind
    id: int
    force: bool = False


@dataclass(frozen=True, slots=True)
class ForceStatus:
    """Set the status of an item. Raises ItemNotFound, InvalidTransition."""

    kind: ItemKind
    id: int
    status: Status


@dataclass(frozen=True, slots=True)
class SetData:
    """Replace the data of an item (`merge` False), or merge a patch into it (RFC 7396).

    `data` holds the decoded fields. Raises ItemNotFound, InvalidInput (the merged data are invalid), DocumentTooLarge.
    """

    kind: ItemKind
    id: int
    data: Mapping[str, object]
    merge: bool = False
    limits: Limits = DEFAULTS


@dataclass(frozen=True, slots=True)
class RetryAOI:
    """Dispatch all scenes and tiles in RETRY (`force`: also PENDING) of all matching AOIs again, all or none.

    Returns the counts of scenes and of tiles. Raises AOINotFound (for a plain name), InvalidTransition.
    """

    pattern: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class LeaseJobs:
    """Lease up to `limit` jobs of a queue for `seconds`. Returns the leased jobs, oldest first. Raises AOINotFound."""

    queue: str
    limit: int
    seconds: float
    worker: str
    #: name or pattern of the AOIs to lease from; None for all
    aoi: str | None = None


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Extend a lease to `seconds` from now. Returns the new expiry time. Raises LeaseNotFound."""

    queue: str
    lease: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RenewLeases:
    """Extend leases of a queue to `seconds` from now. Returns the leases that are not in force, in order."""

    queue: str
    leases: Sequence[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class ExpireLeases:
    """Requeue the jobs with an expired lease. Returns their count."""


@dataclass(frozen=True, slots=True)
class DrainResults:
    """Consume up to `limit` results from the queue and apply them. Returns their count."""

    limit: int


@dataclass(frozen=True, slots=True)
class PruneHistory:
    """Delete withdrawn jobs and events that are older than the given seconds at the time `now`, by default the present."""

    jobs: float
    #: None keeps all
    events: float | None = None
    now: datetime | None = None


Command = (
    CreateAOI
    | DeleteAOI
    | Ingest
    | ReportResults
    | RetryItem
    | FailItem
    | ForceStatus
    | SetData
    | RetryAOI
    | LeaseJobs
    | RenewLease
    | RenewLeases
    | ExpireLeases
    | DrainResults
    | PruneHistory
)

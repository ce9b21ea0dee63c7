"""What can be asked of the workflow. Each command is carried out whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import NewScene, Result
from workflow_monitor.domain.status import ItemKind, Status


@dataclass(frozen=True, slots=True)
class CreateAOI:
    """Answers None; AOIExists."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteAOI:
    """Delete an AOI with its scenes, tiles, jobs and their events. Answers None; AOINotFound."""

    name: str


@dataclass(frozen=True, slots=True)
class Ingest:
    """Add scenes with their tiles to the graph, in this order, all or none.

    Answers the ids of the scenes in the order of `scenes`; AOINotFound, SceneExists, InvalidInput
    (a link leads nowhere), Conflict (it leads to a tile that is FAILED).
    """

    aoi: str
    scenes: Sequence[NewScene]


@dataclass(frozen=True, slots=True)
class ReportResults:
    """Results of workers, applied in order. Answers an Outcome for each; nothing is raised."""

    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class RetryItem:
    """Try an item in RETRY again. Answers None; ItemNotFound, StatusConflict."""

    kind: ItemKind
    id: int


@dataclass(frozen=True, slots=True)
class FailItem:
    """Give an item up, from RETRY or, with `force`, from anywhere. Answers None; ItemNotFound, StatusConflict."""

    kind: ItemKind
    id: int
    force: bool = False


@dataclass(frozen=True, slots=True)
class ForceStatus:
    """Set the status of an item. Answers None; ItemNotFound, StatusConflict."""

    kind: ItemKind
    id: int
    status: Status


@dataclass(frozen=True, slots=True)
class SetData:
    """Replace the data of an item (`merge` False), or merge a patch into it (RFC 7396).

    `data` are the decoded fields. Answers None; ItemNotFound, InvalidInput (a merge whose outcome is no
    data of such an item).
    """

    kind: ItemKind
    id: int
    data: Mapping[str, object]
    merge: bool = False
    limits: Limits = DEFAULTS


@dataclass(frozen=True, slots=True)
class RetryAOI:
    """Try all scenes and tiles in RETRY again (`force`: also PENDING), in all AOIs that match, all or none.

    Answers (number of scenes, number of tiles); AOINotFound (a name that is no pattern), StatusConflict.
    """

    pattern: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class LeaseJobs:
    """Take up to `limit` jobs of a queue for some seconds. Answers a list of LeasedJob, oldest first; AOINotFound."""

    queue: str
    limit: int
    seconds: float
    worker: str
    #: name or pattern of the AOIs whose jobs are taken; None for all
    aoi: str | None = None


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Prolong a lease by so many seconds from now. Answers the new time at which it runs out; LeaseLost."""

    queue: str
    lease: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RenewLeases:
    """Prolong many leases of a queue by so many seconds from now. Answers those that are not in force, in order."""

    queue: str
    leases: Sequence[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class ExpireLeases:
    """Hand the jobs whose lease has run out to others. Answers their number."""


@dataclass(frozen=True, slots=True)
class DrainResults:
    """Apply up to so many results that workers have put on the queue, and take them off it. Answers their number."""

    limit: int


@dataclass(frozen=True, slots=True)
class PruneHistory:
    """Forget jobs that were withdrawn, and events that happened, so many seconds ago. Answers None."""

    jobs: float
    #: None keeps all
    events: float | None = None


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

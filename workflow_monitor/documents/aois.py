"""Documents of AOIs: the list, the overview, retries, failures, the timeline, searches, previews of a failure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from workflow_monitor.documents.document import (
    AOIName,
    Attempt,
    Count,
    Day,
    Document,
    Id,
    Kind,
    PreviousId,
    ReferenceId,
    SourceId,
    Time,
)
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import Cause, Status

Counts = Annotated[list[int], Meta(description="Counts at the end of each step.")]


@thread_safe_struct
class CountsDocument(Document):
    """Numbers of items in each status."""

    new: Count
    pending: Count
    done: Count
    retry: Count
    failed: Count
    total: Count = 0


@thread_safe_struct
class AOIDocument(Document):
    """An AOI in a list; the counts are there on request (`counts=true`)."""

    ID: AOIName
    status: Status
    scenes: CountsDocument | UnsetType = UNSET
    tiles: CountsDocument | UnsetType = UNSET


@thread_safe_struct
class OverviewDocument(Document):
    """The workload of an AOI. `from` and `to` are the first and the last acquisition date of its chains of tiles."""

    aoi: AOIName
    status: Status
    scenes: CountsDocument
    tiles: CountsDocument
    root_tiles: Annotated[int, Meta(description="Number of root tiles.")]
    first: Day = msgspec.field(default=None, name="from")
    last: Day = msgspec.field(default=None, name="to")


@thread_safe_struct
class RetriedDocument(Document):
    """Numbers of retried scenes and tiles."""

    scenes: Count = msgspec.field(name="Scenes")
    tiles: Count = msgspec.field(name="Tiles")


class FailureCausesDocument(Document):
    """Scenes in RETRY or FAILED with which tiles failed: retry these scenes, not the tiles."""

    retry: Annotated[int, Meta(description="Number of scenes in RETRY.")]
    failed: Annotated[int, Meta(description="Number of scenes in FAILED.")]
    ids: Annotated[list[int], Meta(description="Ids of the scenes: first those in RETRY, then those in FAILED.")]


@thread_safe_struct
class FailureGroupDocument(Document):
    """Scenes or tiles in RETRY or FAILED whose messages differ only in ids, dates, paths and counts.

    Codes distinguish groups: the HTTP status, the exit code, the signal, errno. Tiles that failed with their scenes follow
    the group of these scenes.
    """

    message_template: Annotated[
        str,
        Meta(
            description="The message with placeholders for its variable parts; `scene failed: ` and that of the scenes "
            "for tiles that failed with them."
        ),
    ] = msgspec.field(name="shape")
    kind: Kind
    count: Count
    retry: Annotated[int, Meta(description="Number of items in RETRY.")]
    failed: Annotated[int, Meta(description="Number of items in FAILED.")]
    since: Annotated[Time | None, Meta(description="Time of the first failure; null if unknown.")]
    last: Annotated[Time | None, Meta(description="Time of the last failure; null if unknown.")]
    example: Annotated[
        str, Meta(description="One complete message, of a scene for tiles that failed with their scenes.")
    ]
    ids: Annotated[list[int], Meta(description="Ids of the items: first those in RETRY, then those in FAILED.")]
    first_acquired: Day
    last_acquired: Day
    orbits: Annotated[dict[str, int], Meta(description="Number of items by relative orbit.")]
    causes: Annotated[
        FailureCausesDocument | None,
        Meta(description="The scenes with which the tiles failed; null if the items failed by themselves."),
    ]


class SeriesDocument(Document):
    """Numbers of items in each status at the end of each step."""

    new: Counts
    pending: Counts
    done: Counts
    retry: Counts
    failed: Counts


class FinishedDocument(Document):
    """Numbers of items that became DONE or FAILED in each step."""

    scenes: list[int]
    tiles: list[int]


class RunningJobDocument(Document):
    """A scene or tile in PENDING."""

    type: Kind
    id: Id
    source_id: SourceId
    attempt: Attempt
    since: Annotated[Time, Meta(description="Time when the job was published.")]
    leased: Annotated[bool, Meta(description="Whether a worker holds a lease of the job.")]
    worker: Annotated[str | None, Meta(description="Name of the worker with the lease.")]


class RunningDocument(Document):
    """The scenes and tiles in PENDING; `jobs` lists the first of them."""

    total: Count
    jobs: list[RunningJobDocument]


@thread_safe_struct
class TimelineDocument(Document):
    """Counts of an AOI over time, and the jobs that run now."""

    since: Annotated[Time, Meta(description="Start of the first step.")]
    until: Annotated[Time, Meta(description="End of the last step, not included.")]
    seconds: Annotated[float, Meta(description="Length of a step in seconds.")]
    scenes: SeriesDocument
    tiles: SeriesDocument
    finished: FinishedDocument
    running: RunningDocument


class MatchDocument(Document):
    """A scene or tile that matches a search."""

    type: Kind
    id: Id
    source_id: SourceId
    scene_source_id: Annotated[str | None, Meta(description="Source id of the scene of a tile; null for a scene.")]
    date: Annotated[Time | None, Meta(description="Acquisition time; null if unknown.")]
    status: Status


@thread_safe_struct
class SearchDocument(Document):
    """Result of a search; `items` lists the first `limit` matches."""

    total: Annotated[int, Meta(description="Number of matches.")]
    items: list[MatchDocument]


class ChangeCountsDocument(Document):
    """Numbers of changes: items that would fail, items that would start, tiles that would be relinked."""

    failed: Count
    pending: Count
    relinked: Count


class ChangeDocument(Document):
    """A change of an item."""

    type: Kind
    id: Id
    source_id: SourceId
    before: Status | None = msgspec.field(name="from")
    after: Status = msgspec.field(name="to")
    cause: Cause
    PreviousID: PreviousId
    ReferenceID: ReferenceId


@thread_safe_struct
class ConsequencesDocument(Document):
    """The changes that the forced failure of an item would make; `changes` lists the first 100, in order."""

    total: Annotated[int, Meta(description="Number of changes.")]
    counts: ChangeCountsDocument
    changes: list[ChangeDocument]

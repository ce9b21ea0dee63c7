"""Serialization of responses: framing of lists, texts of overviews, documents from domain objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from workflow_monitor.documents.aois import (
    AOIDocument,
    ChangeCountsDocument,
    ChangeDocument,
    ConsequencesDocument,
    CountsDocument,
    FailureCausesDocument,
    FailureGroupDocument,
    FinishedDocument,
    MatchDocument,
    OverviewDocument,
    RunningDocument,
    RunningJobDocument,
    SeriesDocument,
    TimelineDocument,
)
from workflow_monitor.documents.events import EventDocument
from workflow_monitor.documents.jobs import JobDocument, LeasedJobDocument, LeasedJobsDocument
from workflow_monitor.documents.media_types import GEOJSON, JSON, NDJSON
from workflow_monitor.documents.server import BackupDocument
from workflow_monitor.domain.failures import FailureGroup
from workflow_monitor.domain.models import AOI, AOISummary, Backup, Event, LeasedJob
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.server.negotiation import AS_GEOJSON, AS_JSON, AS_NDJSON

if TYPE_CHECKING:
    import pyarrow as pa

    from workflow_monitor.domain.timeline import Timeline
    from workflow_monitor.domain.working_set import Transition
    from workflow_monitor.store.interfaces import JobRow, RunningJob, SearchHit


#: changes listed in a preview; its counts include all
CONSEQUENCES = 100


@dataclass(frozen=True, slots=True)
class Framing:
    """Framing of JSON texts in one response."""

    media_type: str
    opening: str
    separator: str
    closing: str


FRAMINGS = {
    AS_JSON: Framing(JSON, "[", ",", "]"),
    AS_NDJSON: Framing(NDJSON, "", "\n", "\n"),
    AS_GEOJSON: Framing(GEOJSON, '{"type":"FeatureCollection","features":[', ",\n", "]}"),
}


def framed(chunks: Iterable[Sequence[str]], framing: Framing) -> Iterator[bytes]:
    """Yield the parts of a response that lists JSON texts.

    >>> b"".join(framed([["1", "2"], [], ["3"]], FRAMINGS[AS_JSON]))
    b'[1,2,3]'
    """
    lead = framing.opening
    for chunk in chunks:
        if chunk:
            yield (lead + framing.separator.join(chunk)).encode()
            lead = framing.separator
    empty = lead is framing.opening
    yield (lead if empty else "").encode() + (b"" if empty and not framing.opening else framing.closing.encode())


def arrow_stream(batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield the parts of an Arrow IPC stream of at least one batch."""
    import pyarrow as pa  # noqa: PLC0415 - loaded for Arrow responses only

    sink = BytesIO()
    first = next(batches)
    with pa.ipc.new_stream(sink, first.schema) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: BytesIO) -> bytes:
    taken = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return taken


def overview_text(summary: AOISummary) -> str:
    """Return the overview of an AOI as plain text."""
    lines = []
    for title, counts in (("Scenes", summary.scenes), ("Tiles", summary.tiles)):
        lines.append(f"{title}:")
        lines += [f"  {status.lower() + ':':<9}{counts[status]}" for status in OVERVIEW_ORDER]
        lines.append(f"  {'Total:':<9}{counts.total()}")
    lines += [
        "",
        f"Root tiles : {summary.root_tiles}",
        f"  From: {summary.first or '-'}",
        f"  To:   {summary.last or '-'}",
    ]
    return "\n".join(lines) + "\n"


def aoi_document(aoi: AOI, *, with_counts: bool) -> AOIDocument:
    """Return an AOI of a list, with its counts on request."""
    if not with_counts:
        return AOIDocument(aoi.name, aoi.status)
    return AOIDocument(aoi.name, aoi.status, _counts(aoi.scenes), _counts(aoi.tiles))


def overview_document(summary: AOISummary) -> OverviewDocument:
    """Return the overview of an AOI."""
    return OverviewDocument(
        summary.name,
        summary.status,
        _counts(summary.scenes),
        _counts(summary.tiles),
        summary.root_tiles,
        summary.first,
        summary.last,
    )


OVERVIEW_ORDER = (Status.NEW, Status.PENDING, Status.DONE, Status.RETRY, Status.FAILED)


def _counts(counts: Counter[Status]) -> CountsDocument:
    return CountsDocument(total=counts.total(), **{status.lower(): counts[status] for status in OVERVIEW_ORDER})


def json_text(value: object) -> str:
    """Return a document, or any value, as compact JSON."""
    return msgspec.json.encode(value).decode()


def aware(time: datetime) -> datetime:
    """Return a time with its zone: stored times are in UTC and have none."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def backup_document(backup: Backup) -> BackupDocument:
    """Return a backup of the store."""
    return BackupDocument(backup.file, aware(backup.made), backup.bytes)


def failure_group_document(group: FailureGroup) -> FailureGroupDocument:
    """Return a group of failed items."""
    causes = group.causes
    return FailureGroupDocument(
        message_template=group.message_template,
        kind=group.kind,
        count=group.count,
        retry=group.retry,
        failed=group.failed,
        since=group.since and aware(group.since),
        last=group.last and aware(group.last),
        example=group.example,
        ids=group.ids,
        first_acquired=group.first_acquired,
        last_acquired=group.last_acquired,
        orbits=group.orbits,
        causes=FailureCausesDocument(causes.retry, causes.failed, causes.ids) if causes else None,
    )


def timeline_document(timeline: Timeline, pending: int, running: Sequence[RunningJob]) -> TimelineDocument:
    """Return the counts of an AOI over time, and its PENDING items: their count and the first of them."""
    series = {
        kind: SeriesDocument(**{status.lower(): counts[status] for status in OVERVIEW_ORDER})
        for kind, counts in timeline.counts.items()
    }
    jobs = [
        RunningJobDocument(job.kind, job.id, job.source_id, job.attempt, aware(job.since), job.is_leased, job.worker)
        for job in running
    ]
    finished = timeline.finished
    return TimelineDocument(
        since=aware(timeline.span.since),
        until=aware(timeline.span.until),
        seconds=timeline.span.step.total_seconds(),
        scenes=series[ItemKind.SCENE],
        tiles=series[ItemKind.TILE],
        finished=FinishedDocument(finished[ItemKind.SCENE], finished[ItemKind.TILE]),
        running=RunningDocument(pending, jobs),
    )


def match_document(hit: SearchHit) -> MatchDocument:
    """Return a scene or tile that matches a search."""
    acquired = hit.acquired and aware(hit.acquired)
    return MatchDocument(hit.kind, hit.id, hit.source_id, hit.scene_source_id, acquired, Status(hit.status))


def consequences_document(
    transitions: Sequence[Transition], names: Mapping[tuple[ItemKind, int], str]
) -> ConsequencesDocument:
    """Return the transitions of a forced failure; `names` maps kind and id to the source id."""
    counts = ChangeCountsDocument(
        failed=sum(transition.after is Status.FAILED for transition in transitions),
        pending=sum(transition.after is Status.PENDING for transition in transitions),
        relinked=sum(transition.cause is Cause.RELINKED for transition in transitions),
    )
    changes = [
        ChangeDocument(
            type=transition.kind,
            id=transition.id,
            source_id=names.get((transition.kind, transition.id), ""),
            before=transition.before,
            after=transition.after,
            cause=transition.cause,
            PreviousID=transition.previous,
            ReferenceID=transition.reference,
        )
        for transition in transitions[:CONSEQUENCES]
    ]
    return ConsequencesDocument(len(transitions), counts, changes)


def event_json(event: Event) -> str:
    """Return an event as the JSON text of event streams and histories."""
    return json_text(
        EventDocument(
            seq=event.seq,
            time=aware(event.time),
            aoi=event.aoi,
            type=event.type,
            id=event.id,
            before=event.before,
            to=event.after,
            cause=event.cause,
            who=event.actor,
            message=event.message,
            attempt=event.attempt,
            RetryCountDown=event.retries_left,
            PreviousID=event.previous,
            ReferenceID=event.reference,
        )
    )


def leased_jobs_document(jobs: Sequence[LeasedJob]) -> LeasedJobsDocument:
    """Return the jobs of a lease request."""
    return LeasedJobsDocument(
        [
            LeasedJobDocument(job.id, job.attempt, job.lease, aware(job.expires), msgspec.Raw(job.payload.encode()))
            for job in jobs
        ]
    )


def job_json(job: JobRow) -> str:
    """Return a job as the JSON text of the list of a queue."""
    return json_text(
        JobDocument(
            id=job.id,
            attempt=job.attempt,
            state="leased" if job.lease else "withdrawn" if job.withdrawn else "queued",
            published=aware(job.published),
            worker=job.worker,
            payload=msgspec.Raw(job.message.encode()),
            lease=job.lease if job.lease and job.expires else UNSET,
            expires=aware(job.expires) if job.lease and job.expires else UNSET,
        )
    )

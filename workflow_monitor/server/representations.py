"""In which form an answer is given: what the client accepts, and how lists and overviews are written."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING

from workflow_monitor.documents.rfc3339 import format_time
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.failures import FailureGroup
from workflow_monitor.domain.models import AOI, AOISummary, Backup, Event
from workflow_monitor.domain.status import Cause, Status

if TYPE_CHECKING:
    import pyarrow as pa

    from workflow_monitor.domain.status import ItemKind
    from workflow_monitor.domain.timeline import Timeline
    from workflow_monitor.domain.working_set import Transition
    from workflow_monitor.store.interfaces import JobRow, RunningJob, SearchHit

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
GEOJSON = "application/geo+json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
DOT = "text/vnd.graphviz; charset=utf-8"
SVG = "image/svg+xml"
EVENTS = "text/event-stream"


#: changes that are listed of what giving an item up would do; all are counted
CONSEQUENCES = 100


@dataclass(frozen=True, slots=True)
class Representation:
    """A form that an answer can take, by the name that `?format=` knows."""

    name: str
    media_type: str


AS_TEXT = Representation("text", TEXT)
AS_JSON = Representation("json", JSON)
AS_NDJSON = Representation("ndjson", NDJSON)
AS_GEOJSON = Representation("geojson", GEOJSON)
AS_ARROW = Representation("arrow", ARROW)
AS_DOT = Representation("dot", DOT)
AS_SVG = Representation("svg", SVG)


def negotiate(accept: str, asked: str | None, offers: Sequence[Representation]) -> Representation:
    """The form to answer in: `asked` by name, else the best for an Accept header, else the first on offer.

    >>> negotiate("application/json", None, (AS_TEXT, AS_JSON)).name
    'json'
    >>> negotiate("text/html, */*;q=0.8", None, (AS_TEXT, AS_JSON)).name
    'text'
    """
    if asked is not None:
        return _by_name(asked, offers)
    ranges = _media_ranges(accept)
    best, best_rank = offers[0], (0.0, 0, 0)
    for offer in offers:
        rank = _rank(offer.media_type.partition(";")[0], ranges)
        if rank > best_rank:
            best, best_rank = offer, rank
    return best


def _by_name(asked: str, offers: Sequence[Representation]) -> Representation:
    for offer in offers:
        if asked.lower() == offer.name:
            return offer
    expected = ", ".join(offer.name for offer in offers)
    raise InvalidInput(
        f"This endpoint has no format {shorten_for_message(asked)}.",
        [FieldError("format", f"found {shorten_for_message(asked)}, expected one of {expected}")],
    )


def _media_ranges(accept: str) -> list[tuple[str, float]]:
    ranges = []
    for part in accept[:2000].lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if found := re.fullmatch(r"q=([01](?:\.\d{0,3})?)", parameter):
                quality = float(found[1])
        ranges.append((media_range, quality))
    return ranges


def _rank(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """How much a client wants a media type; of two that it wants alike, the one that it names first."""
    rank = (0.0, 0, 0)
    for position, (media_range, quality) in enumerate(ranges):
        specificity = _specificity(media_range, media_type)
        if specificity > rank[1]:
            rank = (quality, specificity, -position)
    return rank


def _specificity(media_range: str, media_type: str) -> int:
    if media_range == media_type:
        return 3
    if media_range == media_type.partition("/")[0] + "/*":
        return 2
    return 1 if media_range == "*/*" else 0


@dataclass(frozen=True, slots=True)
class Framing:
    """How JSON texts are put together to one answer."""

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
    """The parts of an answer that lists JSON texts.

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
    """The parts of an Arrow IPC stream of at least one batch."""
    import pyarrow as pa  # noqa: PLC0415 - only who asks for Arrow waits for its import

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


def aoi_json(aoi: AOI, *, with_counts: bool) -> dict[str, object]:
    """An AOI in a list, as JSON has it."""
    named: dict[str, object] = {"ID": aoi.name, "status": aoi.status}
    return named | {"scenes": _counts(aoi.scenes), "tiles": _counts(aoi.tiles)} if with_counts else named


def overview_json(summary: AOISummary) -> dict[str, object]:
    """Return the overview of an AOI as a JSON document."""
    return {
        "aoi": summary.name,
        "status": summary.status,
        "scenes": _counts(summary.scenes),
        "tiles": _counts(summary.tiles),
        "root_tiles": summary.root_tiles,
        "from": summary.first.isoformat() if summary.first else None,
        "to": summary.last.isoformat() if summary.last else None,
    }


OVERVIEW_ORDER = (Status.NEW, Status.PENDING, Status.DONE, Status.RETRY, Status.FAILED)


def _counts(counts: Counter[Status]) -> dict[str, int]:
    return {status.lower(): counts[status] for status in OVERVIEW_ORDER} | {"total": counts.total()}


def json_text(value: object) -> str:
    """A value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def time_text(moment: datetime) -> str:
    """A moment, UTC if it does not say otherwise, as RFC 3339 text.

    >>> time_text(datetime(2022, 1, 4, 10, 34, 31))
    '2022-01-04T10:34:31Z'
    """
    return format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def backup_document(backup: Backup) -> dict[str, object]:
    """A backup, as JSON has it."""
    return {"file": backup.file, "made": time_text(backup.made), "bytes": backup.bytes}


def failure_group(group: FailureGroup) -> dict[str, object]:
    """Failures of one shape, as JSON has them."""
    return {
        "message_template": group.message_template,
        "kind": group.kind,
        "count": group.count,
        "retry": group.retry,
        "failed": group.failed,
        "since": group.since and time_text(group.since),
        "last": group.last and time_text(group.last),
        "example": group.example,
        "ids": group.ids,
        "first_acquired": group.first_acquired and group.first_acquired.isoformat(),
        "last_acquired": group.last_acquired and group.last_acquired.isoformat(),
        "orbits": group.orbits,
    }


def timeline_json(found: Timeline, pending: int, running: Sequence[RunningJob]) -> dict[str, object]:
    """Numbers over time and what is running, as JSON has it."""
    span = found.span
    numbers = {
        f"{kind}s": {status.lower(): found.counts[kind][status] for status in OVERVIEW_ORDER} for kind in found.counts
    }
    jobs = [
        {
            "type": job.kind,
            "id": job.id,
            "source_id": job.source_id,
            "attempt": job.attempt,
            "since": time_text(job.since),
            "leased": job.is_leased,
            "worker": job.worker,
        }
        for job in running
    ]
    return {
        "since": time_text(span.since),
        "until": time_text(span.until),
        "seconds": span.step.total_seconds(),
        **numbers,
        "finished": {f"{kind}s": done for kind, done in found.finished.items()},
        "running": {"total": pending, "jobs": jobs},
    }


def found_item(item: SearchHit) -> dict[str, object]:
    """A scene or tile that was looked for, as JSON has it."""
    return {
        "type": item.kind,
        "id": item.id,
        "source_id": item.source_id,
        "scene_source_id": item.scene_source_id,
        "date": item.acquired and time_text(item.acquired),
        "status": item.status,
    }


def consequences_json(changes: Sequence[Transition], names: Mapping[tuple[ItemKind, int], str]) -> dict[str, object]:
    """What giving an item up would do, as JSON has it; `names` are the source ids."""
    counts = {
        "failed": sum(change.after is Status.FAILED for change in changes),
        "pending": sum(change.after is Status.PENDING for change in changes),
        "relinked": sum(change.cause is Cause.RELINKED for change in changes),
    }
    shown = [
        {
            "type": change.kind,
            "id": change.id,
            "source_id": names.get((change.kind, change.id), ""),
            "from": change.before,
            "to": change.after,
            "cause": change.cause,
            "PreviousID": change.previous,
            "ReferenceID": change.reference,
        }
        for change in changes[:CONSEQUENCES]
    ]
    return {"total": len(changes), "counts": counts, "changes": shown}


def event_json(event: Event) -> str:
    """An event as streams and histories show it."""
    return json_text(
        {
            "seq": event.seq,
            "time": time_text(event.time),
            "aoi": event.aoi,
            "type": event.type,
            "id": event.id,
            "from": event.before,
            "to": event.after,
            "cause": event.cause,
            "who": event.actor,
            "message": event.message,
            "attempt": event.attempt,
            "RetryCountDown": event.retries_left,
            "PreviousID": event.previous,
            "ReferenceID": event.reference,
        }
    )


def job_json(job: JobRow) -> str:
    """A job as the list of a queue shows it; its message is JSON already."""
    about: dict[str, object] = {
        "id": job.id,
        "attempt": job.attempt,
        "state": "leased" if job.lease else "withdrawn" if job.withdrawn else "queued",
        "published": time_text(job.published),
        "worker": job.worker,
    }
    if job.lease and job.expires:
        about |= {"lease": job.lease, "expires": time_text(job.expires)}
    return f'{json_text(about)[:-1]},"payload":{job.message}}}'

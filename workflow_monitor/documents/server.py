"""Documents of the server itself: its state, backups of the store, ids of ingested scenes."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from workflow_monitor.documents.document import Count, Document, Id, SourceId, Time
from workflow_monitor.documents.validation import thread_safe_struct

Existing = Annotated[
    dict[str, int] | UnsetType,
    Meta(description="Ids by source id of the scenes that the AOI already had; with `existing=skip` only."),
]


@thread_safe_struct
class RootDocument(Document):
    """State of the server."""

    state: str
    instance: Annotated[str, Meta(description="Id of this run of the server; a restart changes it.")]


@thread_safe_struct
class BackupDocument(Document):
    """A backup of the store."""

    file: Annotated[str, Meta(description="Path on the server.")]
    made: Annotated[Time, Meta(description="Time of the backup (UTC).")]
    bytes: Annotated[int, Meta(description="Size in bytes.")]


@thread_safe_struct
class IdDocument(Document):
    """Id of an ingested scene."""

    id: Id
    existing: Existing = UNSET


class InvalidSceneDocument(Document):
    """An invalid scene that was skipped."""

    source_id: SourceId
    field: Annotated[str, Meta(description="Place of the scene in the body, such as `features[3]` or `line 4`.")]
    reason: Annotated[str, Meta(description="The invalid fields and their errors.")]


@thread_safe_struct
class IngestedDocument(Document):
    """Counts of ingested scenes and tiles, and the ids of the scenes by source id."""

    scenes: Count
    tiles: Count
    ids: dict[str, int]
    existing: Existing = UNSET
    invalid: Annotated[
        list[InvalidSceneDocument] | UnsetType, Meta(description="The invalid scenes; with `invalid=skip` only.")
    ] = UNSET

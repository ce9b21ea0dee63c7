"""Base class of the response documents, and the annotations that they share."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import ItemKind

SCHEMA_REF = "#/components/schemas/{name}"


@thread_safe_struct
class Document(msgspec.Struct):
    """A JSON document that the server sends.

    The server sends every field, unless the field is `UNSET`. Defaults are for clients: a Geocube server omits fields.
    The docstring and the `Meta` of the fields become the descriptions of the OpenAPI schema.
    """


def described_json(description: str, schema: str) -> Meta:
    """Metadata of a field that holds encoded JSON, which follows another schema of the OpenAPI document."""
    return Meta(description=description, extra_json_schema={"$ref": SCHEMA_REF.format(name=schema)})


Id = Annotated[int, Meta(description="Id, a 64-bit integer.")]
Count = Annotated[int, Meta(ge=0)]
SourceId = Annotated[str, Meta(description="Name of the product or of the tile, as ingested.")]
AOIName = Annotated[str, Meta(description="Name of the AOI.")]
Time = Annotated[datetime, Meta(tz=True)]
Day = Annotated[date | None, Meta(description="Date (UTC); null if unknown.")]
Kind = Annotated[ItemKind, Meta(description="Kind of the item.")]
Attempt = Annotated[int, Meta(description="Number of times the item was dispatched to a worker.")]
PreviousId = Annotated[int | None, Meta(description="Id of the previous tile at the same place; null for none.")]
ReferenceId = Annotated[int | None, Meta(description="Id of the root tile of the chain; null for none.")]
RetriesLeft = Annotated[int, Meta(description="Number of automatic retries left; a manual retry may make it negative.")]
Message = Annotated[str, Meta(description="Last message of a worker or user, empty if there is none.")]
GeometryOrigin = Annotated[
    Literal["geometry", "wkt", "catalogue", "mgrs", "scene"] | None,
    Meta(description="Source of the footprint; null without a footprint."),
]
GeometryNote = Annotated[
    str | None,
    Meta(description="Repairs of the footprint, and readings that are a guess; null for a footprint stored as sent."),
]

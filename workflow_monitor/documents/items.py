"""Documents of scenes and tiles: whole, short, as GeoJSON features, and as messages of jobs.

The fields of `SceneDocument`, `TileDocument`, `SceneProperties` and `TileProperties` are the only list of the fields of a
scene or tile: `store/document_sql.py` derives the SQL of lists and of single items from it, `documents/schemas.py` the OpenAPI
schemas, and the client decodes it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from workflow_monitor.documents.document import (
    SCHEMA_REF,
    AOIName,
    Attempt,
    Document,
    GeometryNote,
    GeometryOrigin,
    Id,
    Message,
    PreviousId,
    ReferenceId,
    RetriesLeft,
    SourceId,
    described_json,
)
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import Status

SceneDataJSON = Annotated[Raw, described_json("Data of the scene.", "SceneData")]
TileDataJSON = Annotated[Raw, described_json("Data of the tile.", "TileData")]
GeometryJSON = Annotated[
    Raw | None,
    Meta(
        description="GeoJSON geometry in WGS 84 (longitude, latitude in degrees), cut at the antimeridian; null if unknown.",
        extra_json_schema={"anyOf": [{"type": "object"}, {"type": "null"}]},
    ),
]

LinkedId = Annotated[str, Meta(description="Source id of the linked tile or of its scene; empty without a link.")]


def _empty_object() -> Raw:
    return Raw(b"{}")


@thread_safe_struct
class ShortScene(Document):
    """A scene without its state. A Geocube server sends only the id within a tile."""

    id: Id
    source_id: SourceId = ""
    aoi: AOIName = ""
    data: SceneDataJSON = msgspec.field(default_factory=_empty_object)


@thread_safe_struct
class SceneDocument(Document):
    """A scene with its state."""

    id: Id
    source_id: SourceId
    aoi: AOIName
    data: SceneDataJSON
    status: Status = Status.NEW
    message: Message = ""
    RetryCountDown: RetriesLeft = 0
    attempt: Attempt | None = None


@thread_safe_struct
class ShortTile(Document):
    """A tile without its state."""

    id: Id
    source_id: SourceId
    scene: ShortScene
    data: TileDataJSON


@thread_safe_struct
class TileDocument(Document):
    """A tile with its state. In lists, the data of its scene hold the date only."""

    id: Id
    source_id: SourceId
    scene: ShortScene
    data: TileDataJSON
    status: Status = Status.NEW
    message: Message = ""
    PreviousID: PreviousId = None
    ReferenceID: ReferenceId = None
    RetryCountDown: RetriesLeft = 0
    attempt: Attempt | None = None


class SceneProperties(Document):
    """Properties of the GeoJSON feature of a scene."""

    id: Id
    source_id: SourceId
    aoi: AOIName
    date: Annotated[str, Meta(description="Acquisition time (UTC, RFC 3339); the year 1 if unknown.")]
    status: Status
    message: Message
    RetryCountDown: RetriesLeft
    attempt: Attempt
    geometry_origin: GeometryOrigin
    geometry_note: GeometryNote
    tags: Annotated[Raw, Meta(description="Tags of the scene, by name.", extra_json_schema={"type": "object"})]
    data: SceneDataJSON


class TileOfScene(Document):
    """A tile of a scene as `POST /aoi/{aoi}/scenes` accepts it, with its own footprint."""

    previous_tile_id: LinkedId
    previous_scene_id: LinkedId
    reference_tile_id: LinkedId
    reference_scene_id: LinkedId
    data: TileDataJSON
    geometry: GeometryJSON
    geometry_origin: GeometryOrigin
    geometry_note: GeometryNote


TilesJSON = Annotated[
    Raw,
    Meta(
        description="Tiles by source id, with links and own footprints.",
        extra_json_schema={
            "type": "object",
            "additionalProperties": {"$ref": SCHEMA_REF.format(name=TileOfScene.__name__)},
        },
    ),
]


@thread_safe_struct
class SceneWithTiles(SceneDocument, kw_only=True):
    """A scene with its state, footprint and tiles, as `POST /aoi/{aoi}/scenes` accepts it."""

    geometry: GeometryJSON
    geometry_origin: GeometryOrigin
    geometry_note: GeometryNote
    tiles: TilesJSON


class SceneWithTilesProperties(SceneProperties):
    """Properties of the GeoJSON feature of a scene with its tiles."""

    tiles: TilesJSON


class TileProperties(Document):
    """Properties of the GeoJSON feature of a tile."""

    id: Id
    source_id: SourceId
    aoi: AOIName
    scene: Annotated[int, Meta(description="Id of the scene of the tile.")]
    scene_source_id: SourceId
    date: Annotated[str, Meta(description="Acquisition time (UTC, RFC 3339) of the scene; the year 1 if unknown.")]
    status: Status
    message: Message
    PreviousID: PreviousId
    ReferenceID: ReferenceId
    RetryCountDown: RetriesLeft
    attempt: Attempt
    geometry_origin: GeometryOrigin
    geometry_note: GeometryNote
    data: TileDataJSON


@thread_safe_struct
class SceneFeature(Document):
    """A scene as a GeoJSON feature."""

    type: Literal["Feature"]
    id: Id
    geometry: GeometryJSON
    properties: SceneProperties


@thread_safe_struct
class SceneWithTilesFeature(Document):
    """A scene with its tiles as a GeoJSON feature."""

    type: Literal["Feature"]
    id: Id
    geometry: GeometryJSON
    properties: SceneWithTilesProperties


@thread_safe_struct
class TileFeature(Document):
    """A tile as a GeoJSON feature; without a footprint of its own it has that of its scene."""

    type: Literal["Feature"]
    id: Id
    geometry: GeometryJSON
    properties: TileProperties


@thread_safe_struct
class SceneFeatures(Document):
    """Scenes as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"]
    features: list[SceneFeature]


@thread_safe_struct
class TileFeatures(Document):
    """Tiles as a GeoJSON feature collection."""

    type: Literal["FeatureCollection"]
    features: list[TileFeature]


@thread_safe_struct
class TileMessage(Document):
    """Message of a job of the processor. A tile without a previous or reference tile has tiles with the id 0 there."""

    id: Id
    source_id: SourceId
    scene: ShortScene
    data: TileDataJSON
    tile_previous: ShortTile
    tile_reference: ShortTile


@thread_safe_struct
class FeatureGeometry(msgspec.Struct):
    """The geometry of any GeoJSON feature, as a client decodes it."""

    geometry: Raw

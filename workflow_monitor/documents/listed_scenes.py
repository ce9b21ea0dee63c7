"""Scenes in the form in which the server lists them with `tiles=true`: with tiles, links and footprints.

The state of a listed scene (id, status, message, attempt) and its AOI are those of the original; a new scene starts without
them. Its retry count is the count of retries left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from workflow_monitor.documents.footprints import FootprintParser
from workflow_monitor.documents.scene_documents import new_scene
from workflow_monitor.documents.validation import (
    Int32,
    NewSceneFields,
    NewTileFields,
    SceneFields,
    join_path,
    raise_invalid,
    thread_safe_struct,
    validate,
)
from workflow_monitor.domain.errors import FieldError
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Geometry, NewScene, Origin

#: fields of every listed scene that no scene to ingest has
_STATE = frozenset({"status", "RetryCountDown"})
_MAX_NOTE_LENGTH = 1_000
_ORIGINS: Mapping[str | None, Origin] = {"geometry": "geometry", "wkt": "wkt", "catalogue": "catalogue"}


class ListedTile(NewTileFields):
    """A tile of a listed scene, with its own footprint."""

    geometry: dict[str, object] | None = None
    geometry_origin: str | None = None
    geometry_note: str | None = None


@thread_safe_struct
class ListedScene(msgspec.Struct):
    """The fields of a listed scene that a new scene keeps; further fields are ignored."""

    source_id: str | None = ""
    data: SceneFields | None = None
    tiles: dict[str, ListedTile] | None = None
    geometry: dict[str, object] | None = None
    geometry_origin: str | None = None
    geometry_note: str | None = None
    RetryCountDown: Int32 | None = 0


def is_listed_scene(value: Mapping[str, object]) -> bool:
    """Return True for a scene, or for the properties of its feature, as the server lists it."""
    return "source_id" in value and value.keys() >= _STATE


def parse_listed_scene(
    value: Mapping[str, object],
    aoi: str,
    place: str = "",
    limits: Limits = DEFAULTS,
    parser: FootprintParser | None = None,
) -> NewScene:
    """Parse a listed scene as a new scene of an AOI. Raises InvalidInput, also for a scene without its tiles."""
    if value.get("tiles") is None:
        message = "is missing: a list of scenes has the data and links of tiles with tiles=true only"
        raise_invalid([FieldError(join_path(place, "tiles"), message)])
    parser = parser or FootprintParser(limits)
    scene = validate(value, ListedScene, place)
    tiles = scene.tiles or {}
    footprints = {
        name: footprint
        for name, tile in tiles.items()
        if (footprint := _footprint(tile, join_path(join_path(place, "tiles"), name), parser))
    }
    fields = NewSceneFields(
        source_id=scene.source_id,
        aoi=aoi,
        data=scene.data,
        tiles=dict(tiles),
        retry_count=max(scene.RetryCountDown or 0, 0),
    )
    return new_scene(fields, aoi, place, _footprint(scene, place, parser), footprints, limits, parser)


def parse_listed_feature(
    value: Mapping[str, object],
    aoi: str,
    place: str = "",
    limits: Limits = DEFAULTS,
    parser: FootprintParser | None = None,
) -> NewScene:
    """Parse the feature of a listed scene. Raises InvalidInput with the fields below `place`."""
    properties = value["properties"]
    if not isinstance(properties, Mapping):
        raise TypeError("the properties of a listed scene are an object")
    scene = {**properties, "geometry": value.get("geometry")}
    return parse_listed_scene(scene, aoi, join_path(place, "properties"), limits, parser)


def _footprint(item: ListedScene | ListedTile, place: str, parser: FootprintParser) -> Geometry | None:
    """Parse the footprint that is not in the data of the scene; squares of names need no copy."""
    origin = _ORIGINS.get(item.geometry_origin)
    if item.geometry is None or origin is None:
        return None
    if isinstance(item, ListedScene) and origin != "catalogue" and item.data and (item.data.geometry or item.data.wkt):
        return None
    footprint = parser.geojson(item.geometry, join_path(place, "geometry"), origin)
    return replace(footprint, note=footprint.note or (item.geometry_note or "")[:_MAX_NOTE_LENGTH])

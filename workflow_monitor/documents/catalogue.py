"""Scenes from the features of a Geocube catalogue, of both generations.

Catalogues of 2022 write `Tags`, `Tiles`, `GeometryWKT`, `Data`, `Previous` and `Reference`; today's write `tags`, `tiles`,
`wkt`, `data`, `previous` and `reference`. The names within a link are the same in both.
"""

from __future__ import annotations

from typing import Any

from workflow_monitor.documents.footprints import FootprintParser
from workflow_monitor.documents.scene_documents import new_scene
from workflow_monitor.documents.validation import (
    CatalogueFeature,
    CatalogueLink,
    CatalogueScene,
    CatalogueTile,
    NewSceneFields,
    NewTileFields,
    SceneFields,
    SwathFields,
    TileFields,
    join_path,
    raise_invalid,
    validate,
)
from workflow_monitor.domain.errors import FieldError
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Geometry, NewScene

_TILES = ("tiles", "Tiles")
_TAGS = ("tags", "Tags")
_WKT = ("wkt", "GeometryWKT")
_DATA = ("data", "Data")
_PREVIOUS = ("previous", "Previous")
_REFERENCE = ("reference", "Reference")


def parse_catalogue_feature(
    value: object,
    aoi: str,
    place: str = "",
    retry_count: int = 0,
    limits: Limits = DEFAULTS,
    parser: FootprintParser | None = None,
) -> NewScene | None:
    """Parse a feature with its tiles; None for a feature that the catalogue marks as ingested.

    A catalogue has no retry count: its scenes get `retry_count`. Raises InvalidInput with the fields below `place`.
    """
    parser = parser or FootprintParser(limits)
    feature = validate(value, CatalogueFeature, place)
    scene = feature.properties
    if scene.Ingested:
        return None
    inside = join_path(place, "properties")
    data = scene.data or SceneFields()
    data.tags = data.tags or _either(scene, _TAGS)[1] or data.tags
    tiles: dict[str, NewTileFields | None] = {}
    swaths: dict[str, SwathFields | None] = {}
    footprints: dict[str, Geometry] = {}
    for tile, at in _tiles(scene, inside):
        name = tile.SourceID or ""
        if not name or name in tiles:
            raise_invalid([FieldError(f"{at}.SourceID", "occurs twice" if name else "is missing; expected a name")])
        tile_data = _either(tile, _DATA)[1] or TileFields()
        tiles[name] = NewTileFields(*_link_texts(tile, at), data=tile_data)
        swaths[name] = SwathFields(tile_data.swath_id, tile_data.tile_nr)
        field, wkt = _either(tile, _WKT)
        if wkt:
            footprints[name] = parser.wkt(wkt, f"{at}.{field}", "catalogue")
    data.tiles = data.tiles or swaths
    fields = NewSceneFields(
        source_id=scene.source_id, aoi=scene.aoi or aoi, data=data, tiles=tiles, retry_count=retry_count
    )
    return new_scene(fields, aoi, inside, _footprint(feature, place, parser), footprints, limits, parser)


def _either(fields: object, names: tuple[str, str]) -> tuple[str, Any]:
    """Return the first of two fields that has a value, and its name."""
    for name in names:
        if value := getattr(fields, name):
            return name, value
    return names[0], None


def _tiles(scene: CatalogueScene, place: str) -> list[tuple[CatalogueTile, str]]:
    field, tiles = _either(scene, _TILES)
    if not tiles:
        expected = (
            "SourceID, data, previous and reference of each tile; an inventory of scenes has none, one of tiles has"
        )
        raise_invalid([FieldError(join_path(place, field), f"is missing; expected {expected}")])
    return [(tile, f"{join_path(place, field)}[{index}]") for index, tile in enumerate(tiles)]


def _footprint(feature: CatalogueFeature, place: str, parser: FootprintParser) -> Geometry | None:
    # The geometry of a feature unites the scene and its tiles; the WKT is the scene alone.
    field, wkt = _either(feature.properties, _WKT)
    if wkt:
        return parser.wkt(wkt, f"{place}.properties.{field}", "catalogue")
    if feature.geometry:
        return parser.geojson(feature.geometry, f"{place}.geometry", "catalogue")
    return None


def _link_texts(tile: CatalogueTile, place: str) -> tuple[str, str, str, str]:
    previous: CatalogueLink = _either(tile, _PREVIOUS)[1] or CatalogueLink()
    reference: CatalogueLink = _either(tile, _REFERENCE)[1] or CatalogueLink()
    texts = (
        previous.SourceID or "",
        previous.SceneID or "",
        reference.SourceID or "",
        reference.SceneID or "",
    )
    if any(texts) and not all(texts):
        message = "half a link; expected SceneID and SourceID in both previous and reference, or both null"
        raise_invalid([FieldError(place, message)])
    return texts

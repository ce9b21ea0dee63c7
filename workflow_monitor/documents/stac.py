"""Scenes from STAC items.

An item becomes a scene with its id as source id, `datetime` or `start_datetime` as date, the scalar properties as tags under
their STAC names, and the hrefs of its assets in `metadata`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from workflow_monitor.documents.footprints import FootprintParser
from workflow_monitor.documents.mgrs import mgrs_name_of_product
from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.documents.validation import join_path, raise_invalid, thread_safe_struct, validate
from workflow_monitor.domain.errors import FieldError, InvalidInput
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import NewScene

#: division of an item into tiles: one tile, or the tile of its MGRS square or of its Sentinel-1 burst
Tiling = Literal["scene", "mgrs", "burst"]
TILINGS: tuple[Tiling, ...] = get_args(Tiling)
_TILE_SOURCES: Mapping[Tiling, str] = {
    "mgrs": "MGRS square; expected grid:code, s2:mgrs_tile, mgrs:* or an id with a square",
    "burst": "burst id; expected a property *:burst_id, or the id of an OPERA or ASF burst",
}

#: longest text that becomes a tag
_MAX_TAG_LENGTH = 256

_DATE_PROPERTIES = ("datetime", "start_datetime")
_SQUARE = re.compile(r"\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]", re.ASCII)
#: properties of the parts of a square: zone, band, and column with row
_SQUARE_PARTS = (
    ("mgrs:utm_zone", "mgrs:latitude_band", "mgrs:grid_square"),
    ("sentinel:utm_zone", "sentinel:latitude_band", "sentinel:grid_square"),
)
#: ids of OPERA (`T064-135518-IW1`) and of ASF (`S1_372326_IW3_…`)
_BURST = re.compile(r"(?<![A-Z0-9])T\d{3}-\d{6}-[EI]W\d|(?<=^S1_)\d{6}_[EI]W\d", re.ASCII)
_SWATH = re.compile(r"[EI]W\d", re.ASCII)

_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

#: members of an item by the fields of the scene that they fill
_SOURCES = (
    ("data.geometry", "geometry"),
    ("data.date", "properties.datetime"),
    ("data.tags", "properties"),
    ("data.metadata", "assets"),
    ("data.tiles", "tiles"),
    ("source_id", "id"),
)


@thread_safe_struct
class _Item(msgspec.Struct):
    """The members of an item that a scene needs; further members are ignored."""

    id: str
    properties: dict[str, object]
    geometry: dict[str, object] | None = None
    assets: dict[str, object] | None = None
    collection: str | None = None


def is_stac_item(value: object) -> bool:
    """Return True for a GeoJSON feature with the members of a STAC item."""
    if not isinstance(value, Mapping) or value.get("type") != "Feature":
        return False
    properties = value.get("properties")
    dated = isinstance(properties, Mapping) and any(name in properties for name in _DATE_PROPERTIES)
    return "stac_version" in value or ("id" in value and "assets" in value and dated)


def parse_stac_item(
    value: object,
    aoi: str,
    place: str = "",
    tiling: Tiling = "scene",
    limits: Limits = DEFAULTS,
    parser: FootprintParser | None = None,
) -> NewScene:
    """Parse an item as a scene. Raises InvalidInput with the members of the item below `place`."""
    document = scene_of_item(value, tiling, place)
    try:
        return parse_scene({"aoi": aoi, **document}, aoi, place, limits, parser)
    except InvalidInput as error:
        raise_invalid(FieldError(_source(one.field, place), one.message) for one in error.errors)


def scene_of_item(value: object, tiling: Tiling = "scene", place: str = "") -> dict[str, Any]:
    """Return the scene document of an item, without an AOI. Raises InvalidInput."""
    item = validate(value, _Item, place)
    tile, swath = _tile(item, tiling, place)
    data = {
        "date": _date(item),
        "tiles": {tile: {"swath_id": swath, "tile_nr": 0}},
        "metadata": _metadata(item),
        "tags": _tags(item),
        "geometry": item.geometry,
    }
    return {"source_id": item.id, "data": data, "tiles": {tile: {"data": {"swath_id": swath}}}}


def _source(field: str, place: str) -> str:
    """Return the path of the member of an item that an error in a field of its scene is about."""
    inner = field.removeprefix(place).removeprefix(".")
    for name, member in _SOURCES:
        if inner == name or inner.startswith((f"{name}.", f"{name}[")):
            return join_path(place, member) + inner.removeprefix(name)
    return field


def _date(item: _Item) -> object:
    date = next((value for name in _DATE_PROPERTIES if (value := item.properties.get(name)) is not None), None)
    if isinstance(date, str):
        # items without an offset exist; STAC defines times as UTC
        if _DAY.fullmatch(date):
            return f"{date}T00:00:00Z"
        if _WITHOUT_ZONE.fullmatch(date):
            return f"{date.replace(' ', 'T')}Z"
        return re.sub(r"[+-]00:?00$", "Z", date, count=1)
    return date


def _tags(item: _Item) -> dict[str, object]:
    """Return the scalar properties, lists of texts as one text each, and the collection."""
    tags: dict[str, object] = {"collection": item.collection} if item.collection else {}
    for name, value in item.properties.items():
        text = " ".join(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value
        if name == "datetime" or text is None or not isinstance(text, (str, int, float)):
            continue
        if not isinstance(text, str) or 0 < len(text) <= _MAX_TAG_LENGTH:
            tags[name] = text
    return tags


def _metadata(item: _Item) -> dict[str, object]:
    hrefs = {
        name: asset["href"]
        for name, asset in (item.assets or {}).items()
        if isinstance(asset, Mapping) and isinstance(asset.get("href"), str)
    }
    return {"assets": hrefs}


def mgrs_square_of_item(properties: Mapping[str, object], item_id: str) -> str | None:
    """Return the MGRS square in the properties or the id of an item, such as `32UNG`; None without one."""
    texts = [properties.get("s2:mgrs_tile"), properties.get("grid:code")]
    texts += ["".join(str(properties.get(part) or "") for part in parts) for parts in _SQUARE_PARTS]
    for text in texts:
        square = text.removeprefix("MGRS-") if isinstance(text, str) else ""
        if _SQUARE.fullmatch(square):
            return square.zfill(5)
    return mgrs_name_of_product(item_id)


def _tile(item: _Item, tiling: Tiling, place: str) -> tuple[str, str]:
    """Return the name of the tile of an item, and the swath of a burst."""
    tile: str | None = item.id
    if tiling == "mgrs":
        tile = mgrs_square_of_item(item.properties, item.id)
    elif tiling == "burst":
        tile = _burst(item)
    if tile is None:
        raise_invalid([FieldError(join_path(place, "properties"), f"has no {_TILE_SOURCES[tiling]}")])
    swath = _SWATH.search(tile.upper()) if tiling == "burst" else None
    return tile, swath[0] if swath else ""


def _burst(item: _Item) -> str | None:
    names = (value for name, value in item.properties.items() if name.endswith("burst_id") and isinstance(value, str))
    match = _BURST.search(item.id)
    return next(names, None) or (match[0] if match else None)

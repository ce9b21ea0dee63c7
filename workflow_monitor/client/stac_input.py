"""STAC items from pystac objects, from frames of stac-geoparquet, and from JSON values; pystac is not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import InvalidInput
from workflow_monitor.client.json_values import plain_value
from workflow_monitor.documents.stac import is_stac_item, scene_of_item
from workflow_monitor.domain import errors

if TYPE_CHECKING:
    import pandas as pd

#: function of an item that returns the names of its tiles, or its tile documents by name
TileFunction = Callable[[Mapping[str, Any]], Iterable[str] | Mapping[str, Mapping[str, Any]]]

#: columns that are members of an item; the others are its properties
_MEMBERS = frozenset(
    {"type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection"}
)


def is_stac_frame(frame: pd.DataFrame) -> bool:
    """Return True for a frame with the columns of stac-geoparquet."""
    columns = set(frame.columns)
    dated = "datetime" in columns or "start_datetime" in columns
    return (
        "source_id" not in columns
        and "id" in columns
        and ("stac_version" in columns or ("assets" in columns and dated))
    )


def items_of_frame(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return an item per row, with its geometry in EPSG:4326. Raises InvalidInput for a row without an id."""
    if getattr(frame, "crs", None) is not None:
        frame = frame.to_crs(4326)  # type: ignore[operator]
    names = [str(name) for name in frame.columns]
    rows = (dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None))
    return [_item(row, label) for row, label in zip(rows, frame.index, strict=True)]


def _item(row: Mapping[str, Any], label: object) -> dict[str, Any]:
    cells = {name: value for name, cell in row.items() if (value := _json_value(cell)) is not None}
    if not isinstance(cells.get("id"), str):
        raise InvalidInput(
            f"Row {label!r} has no id. Give each item an id, or drop the row.", errors=[("id", "is missing")]
        )
    item: dict[str, Any] = {name: cells[name] for name in ("id", "collection", "geometry", "assets") if name in cells}
    properties = {name: value for name, value in cells.items() if name not in _MEMBERS}
    return {"type": "Feature", "stac_version": cells.get("stac_version", "1.0.0"), **item, "properties": properties}


def _json_value(cell: Any) -> Any:  # noqa: ANN401 - cells of a frame
    """Convert a cell with nested arrays and missing values to JSON; None for a missing value."""
    if isinstance(cell, Mapping):
        return {str(key): value for key, member in cell.items() if (value := _json_value(member)) is not None}
    if isinstance(cell, (list, tuple)) or (hasattr(cell, "tolist") and getattr(cell, "ndim", None)):
        return [_json_value(member) for member in cell]
    if hasattr(cell, "__geo_interface__"):
        return _json_value(cell.__geo_interface__)
    # pd.NA has no truth value
    is_missing = cell is None or (not isinstance(cell, str) and str(cell) in {"nan", "NaT", "<NA>"})
    return None if is_missing else plain_value(cell)


def plain_document(value: object) -> object:
    """Return a JSON value for a pystac object, or for a mapping; other values unchanged."""
    if hasattr(value, "to_dict") and not isinstance(value, Mapping):
        # pystac would read the catalog of an item to shorten its links
        return value.to_dict(transform_hrefs=False) if hasattr(value, "stac_extensions") else value.to_dict()
    return dict(value) if isinstance(value, Mapping) else value


def stac_items(value: object) -> list[Any] | None:
    """Return the items of an item, of a list or of a FeatureCollection; None for a value of another form."""
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        value = value.get("features")
    items = value if isinstance(value, list) else [value]
    return items if items and is_stac_item(items[0]) else None


def scenes_with_tiles(items: list[Any], function: TileFunction) -> list[Any]:
    """Return scene documents with the tiles that a function chooses; invalid items unchanged, for the server's errors."""
    return [_scene(item, function) for item in items]


def _scene(item: Any, function: TileFunction) -> Any:  # noqa: ANN401 - any JSON value
    try:
        scene = scene_of_item(item)
    except errors.InvalidInput:
        return item
    tiles = function(item)
    if isinstance(tiles, str):
        tiles = [tiles]
    if not isinstance(tiles, Mapping):
        tiles = {name: {} for name in tiles}
    if not tiles or not all(isinstance(name, str) and isinstance(tile, Mapping) for name, tile in tiles.items()):
        raise InvalidInput(
            f"The function for tiles returned {tiles!r:.80} for {item['id']}; expected names, or tile documents by name."
        )
    scene["tiles"] = {name: {"data": {}, **tile} for name, tile in tiles.items()}
    scene["data"]["tiles"] = {name: _swath(tile["data"] or {}) for name, tile in scene["tiles"].items()}
    return scene


def _swath(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"swath_id": data.get("swath_id", ""), "tile_nr": data.get("tile_nr", 0)}

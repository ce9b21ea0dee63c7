"""Conversion of a (Geo)DataFrame to scene documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

#: columns that become fields of the data of a scene
_DATA = frozenset(
    {"uuid", "date", "graph_name", "graph_config", "record_id", "instances_id", "metadata", "is_retriable"}
    | {"storage_uri", "tags"}
)
#: columns of this client's frames that a new scene ignores
_STATE = frozenset({"id", "aoi", "status", "message", "retry_countdown", "attempt", "geometry_origin", "geometry_note"})


def frame_documents(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a scene document per row, with footprints in EPSG:4326. Raises InvalidInput.

    `tiles` holds tile documents or a list of names; without it, a scene gets the tiles in its `data`, or else one
    tile with the name of the scene.
    """
    known = {"source_id", "geometry", "tiles", "data", "retry_count"} | _DATA | _STATE
    unknown = [
        str(name) for name in frame.columns if name not in known and not str(name).startswith(("tags.", "data."))
    ]
    if unknown or "source_id" not in frame.columns:
        reason = f"columns {', '.join(unknown)} are unknown" if unknown else "there is no column source_id"
        raise InvalidInput(
            f"The frame has no valid scenes: {reason}. Required: source_id. Optional: geometry, tiles, data, "
            f"retry_count, {', '.join(sorted(_DATA))}, and tags.NAME, data.NAME. Drop or rename the others.",
            errors=[(name, "is unknown") for name in unknown],
        )
    if getattr(frame, "crs", None) is not None:
        frame = frame.to_crs(4326)  # type: ignore[operator]
    names = [str(name) for name in frame.columns]
    return [_row_document(dict(zip(names, row, strict=True))) for row in frame.itertuples(index=False, name=None)]


def _row_document(row: Mapping[str, Any]) -> dict[str, Any]:
    given = row.get("data")
    data: dict[str, Any] = dict(json.loads(given) if isinstance(given, str) else given or {})
    data |= {name: plain_value(value) for name, value in row.items() if name in _DATA and not _is_missing(value)}
    data |= {
        name[5:]: plain_value(value)
        for name, value in row.items()
        if name.startswith("data.") and not _is_missing(value)
    }
    tags = {name[5:]: str(value) for name, value in row.items() if name.startswith("tags.") and not _is_missing(value)}
    if tags:
        data["tags"] = {**(data.get("tags") or {}), **tags}
    if not _is_missing(row.get("geometry")):
        data.pop("wkt", None)
        data["geometry"] = json.loads(json.dumps(row["geometry"].__geo_interface__))
    name = str(row["source_id"])
    tiles, details = _tiles(row.get("tiles"), data.get("tiles"), name)
    data["tiles"] = details
    document = {"source_id": name, "data": data, "tiles": tiles}
    count = row.get("retry_count")
    return document if _is_missing(count) else {**document, "retry_count": int(count)}  # type: ignore[arg-type]


def _tiles(tiles: object, details: object, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    known = details if isinstance(details, dict) else {}
    if isinstance(tiles, dict):
        given = {tile: dict(value) for tile, value in tiles.items()}
    else:
        named = [str(tile) for tile in tiles] if isinstance(tiles, (list, tuple)) else list(known)
        given = {tile: {} for tile in named or [name]}
    found = {tile: {"data": {}, **value} for tile, value in given.items()}
    described = {
        tile: known.get(tile)
        or {key: value["data"].get(key, default) for key, default in (("swath_id", ""), ("tile_nr", 0))}
        for tile, value in found.items()
    }
    return found, described


def _is_missing(value: object) -> bool:
    return value is None or value != value or str(value) in {"NaT", "<NA>"}  # noqa: PLR0124 - NaN is not itself


def plain_value(value: Any) -> Any:  # noqa: ANN401 - cells of a frame
    """Convert a cell to a JSON value; times to UTC."""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return value.item() if hasattr(value, "item") else value

"""Scenes of frames that this client returned, with the data, links and footprints of their tiles."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely

from workflow_monitor.client.errors import AOINotFound, InvalidInput
from workflow_monitor.client.frame_input import frame_documents
from workflow_monitor.documents.footprints import parse_geojson, parse_wkt
from workflow_monitor.documents.mgrs import mgrs_cell_of_product
from workflow_monitor.domain import errors

#: returns the frame of the tiles of an AOI
ReadTiles = Callable[[str], pd.DataFrame]

_COLUMNS = frozenset({"id", "source_id", "data"})
_REMEDY = "Pass the tiles as well: add_scenes(scenes, tiles=tiles), with the frame of aoi.tiles() or of tiles.parquet"
_TILE_COLUMNS = (
    *("id", "source_id", "scene", "scene_source_id", "previous", "reference"),
    *("data", "geometry", "geometry_origin"),
)
_OWN_FOOTPRINTS = frozenset({"catalogue", "geometry", "wkt"})


def is_listed_frame(frame: pd.DataFrame) -> bool:
    """Return True for a frame of `aoi.scenes()`. Raises InvalidInput for a part of one whose tiles cannot be found."""
    if "tiles" in frame.columns or "data" not in frame.columns:
        return False
    lists_tiles = any(isinstance(text, str) and '"tiles":{"' in text for text in frame["data"])
    if lists_tiles and not set(frame.columns) >= _COLUMNS:
        raise InvalidInput(
            "The column data lists tiles without their data and links, which are found by the ids of the scenes. "
            "Keep the columns id and aoi, or add a column tiles with names or tile documents."
        )
    return lists_tiles


def listed_documents(
    scenes: pd.DataFrame, tiles: pd.DataFrame | None, read_tiles: ReadTiles | None
) -> list[dict[str, Any]]:
    """Return documents of scenes with their tiles, from `tiles` or else from the server. Raises InvalidInput."""
    frames = [tiles] if tiles is not None else list(_tiles_of(scenes, read_tiles))
    documents = frame_documents(_with_own_geometry(scenes))
    tiles_of = _tile_documents(frames)
    rows = scenes[["id", "source_id"]].itertuples(index=False, name=None)
    incomplete = []
    for row, document in zip(rows, documents, strict=True):
        document["tiles"] = tiles_of.get(row, {})
        if not document["tiles"] or document["tiles"].keys() != document["data"]["tiles"].keys():
            incomplete.append(row[1])
    if incomplete:
        raise InvalidInput(
            f"The tiles of {len(incomplete)} scenes are missing, such as those of {incomplete[0]!r}. {_REMEDY}.",
            errors=[(name, "has no tiles") for name in incomplete[:20]],
        )
    return [{**document, **state} for document, state in zip(documents, _states(scenes), strict=True)]


def _tiles_of(scenes: pd.DataFrame, read_tiles: ReadTiles | None) -> Iterator[pd.DataFrame]:
    if read_tiles is None or "aoi" not in scenes.columns:
        raise InvalidInput(f"The frame has no column aoi, so its tiles cannot be read. {_REMEDY}.")
    for aoi in scenes["aoi"].unique():
        try:
            yield read_tiles(str(aoi))
        except AOINotFound:
            reason = f"The frame is of the AOI {str(aoi)!r}, which this server does not have"
        else:
            continue
        raise InvalidInput(f"{reason}, so its tiles cannot be read. {_REMEDY}.")


def _tile_documents(frames: Sequence[pd.DataFrame]) -> dict[tuple[int, str], dict[str, Any]]:
    """Return the tile documents by name for each scene, by its id and source id."""
    rows: list[dict[str, Any]] = []
    for frame in frames:
        if missing := [name for name in _TILE_COLUMNS if name not in frame.columns]:
            raise InvalidInput(f"The frame of tiles lacks the columns {', '.join(missing)}. {_REMEDY}.")
        rows += _records(frame, (*_TILE_COLUMNS, "geometry_note"))
    names = {row["id"]: (row["scene_source_id"], row["source_id"]) for row in rows}
    tiles: defaultdict[tuple[int, str], dict[str, Any]] = defaultdict(dict)
    for row in rows:
        tiles[row["scene"], row["scene_source_id"]][row["source_id"]] = _tile_document(row, names)
    return tiles


def _tile_document(row: Mapping[str, Any], names: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    document: dict[str, Any] = {"data": json.loads(row["data"])}
    for role in ("previous", "reference"):
        tile_id = row[role]
        if tile_id is None:
            continue
        if tile_id not in names:
            raise InvalidInput(
                f"The tile {row['source_id']!r} links to the tile {tile_id}, which is missing. {_REMEDY}."
            )
        document[f"{role}_scene_id"], document[f"{role}_tile_id"] = names[tile_id]
    if row["geometry_origin"] in _OWN_FOOTPRINTS:
        document |= _footprint(row)
    return document


def _states(scenes: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the fields that mark a listed scene, and the footprints that a catalogue gave apart from the data."""
    for row in _records(scenes, ("retry_countdown", "geometry", "geometry_origin", "geometry_note")):
        left = max(int(row["retry_countdown"] or 0), 0)
        state: dict[str, Any] = {"status": "NEW", "RetryCountDown": left, "retry_count": left}
        yield state | (_footprint(row) if row["geometry_origin"] == "catalogue" else {})


def _footprint(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["geometry"] is None:
        return {}
    geometry = json.loads(shapely.to_geojson(row["geometry"]))
    return {"geometry": geometry, "geometry_origin": row["geometry_origin"], "geometry_note": row["geometry_note"]}


def _records(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows as dicts, with None for missing cells and columns."""
    cells = pd.DataFrame(frame).reindex(columns=list(columns)).astype(object)
    for row in cells.where(cells.notna(), None).itertuples(index=False, name=None):
        yield dict(zip(columns, row, strict=True))


def _with_own_geometry(scenes: pd.DataFrame) -> pd.DataFrame:
    """Return the frame without the footprints that its data, the catalogue, or the names of the scenes give."""
    if "geometry" not in scenes.columns or "geometry_origin" not in scenes.columns:
        return scenes
    if getattr(scenes, "crs", None) is not None:
        scenes = scenes.to_crs(4326)  # type: ignore[operator]
    geometries = np.array(scenes["geometry"].tolist(), dtype=object)
    rows = list(zip(scenes["geometry_origin"], scenes["source_id"], scenes["data"], strict=True))
    unchanged = shapely.equals(geometries, [_written_footprint(*row) for row in rows])
    for index in np.flatnonzero(~unchanged):
        # the server repairs footprints and cuts them at the antimeridian
        unchanged[index] = shapely.equals(geometries[index], _stored_footprint(rows[index][0], rows[index][2]))
    geometries[unchanged | (scenes["geometry_origin"] == "catalogue").to_numpy(bool)] = None
    return pd.DataFrame(scenes.drop(columns="geometry")).assign(geometry=geometries)


def _written_footprint(origin: object, name: str, data: str) -> shapely.Geometry | None:
    """Return the footprint as the data or the name of a scene give it."""
    if origin == "mgrs":
        ring = mgrs_cell_of_product(name)
        return shapely.Polygon(ring) if ring else None
    if origin == "wkt":
        return shapely.from_wkt(json.loads(data).get("wkt"), on_invalid="ignore")
    if origin == "geometry":
        return shapely.from_geojson(json.dumps(json.loads(data).get("geometry")), on_invalid="ignore")
    return None


def _stored_footprint(origin: object, data: str) -> shapely.Geometry | None:
    """Return the footprint as the server stores it; None if the data have none."""
    fields = json.loads(data)
    try:
        if origin == "wkt":
            return shapely.from_wkb(parse_wkt(fields.get("wkt") or "", "wkt").wkb)
        if origin == "geometry":
            return shapely.from_wkb(parse_geojson(fields.get("geometry"), "geometry").wkb)
    except errors.InvalidInput:
        # another server may accept other footprints
        return None
    return None

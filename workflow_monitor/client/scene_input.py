"""Conversion of files, frames, STAC items and lists to the request body of an ingestion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from workflow_monitor.client.errors import InvalidInput
from workflow_monitor.client.json_values import encode
from workflow_monitor.client.stac_input import (
    TileFunction,
    is_stac_frame,
    items_of_frame,
    plain_document,
    scenes_with_tiles,
    stac_items,
)
from workflow_monitor.documents.file_formats import describe_bytes
from workflow_monitor.documents.media_types import GEOJSON, JSON, NDJSON
from workflow_monitor.documents.stac import TILINGS, Tiling

if TYPE_CHECKING:
    import pandas as pd

#: tiles of STAC items, or the frame of the tiles of a frame of scenes
Tiles: TypeAlias = "Tiling | TileFunction | pd.DataFrame | None"

_LINES = frozenset({".ndjson", ".jsonl"})
_PARQUET = frozenset({".parquet", ".geoparquet"})


class SceneBody(NamedTuple):
    """Body of a request that adds scenes, and the parameters of its query."""

    content: bytes
    media_type: str
    params: Mapping[str, str] = {}


def parse_scenes(
    scenes: Any,  # noqa: ANN401 - any supported form
    aoi: str,
    tiles: Tiles = None,
    read_tiles: Callable[[str], pd.DataFrame] | None = None,
) -> SceneBody:
    """Return the request body for scenes in any supported form; `read_tiles` reads the tiles of an AOI from the server.

    Raises InvalidInput.
    """
    if isinstance(tiles, str) and tiles not in TILINGS:
        raise InvalidInput(f"tiles={tiles!r} is not an option; pass one of {', '.join(TILINGS)}, or a function.")
    if isinstance(scenes, (str, PathLike)):
        path = Path(scenes).expanduser()
        if path.suffix.lower() in _LINES and tiles is None:
            return SceneBody(_content(path), NDJSON)
        if path.suffix.lower() in _PARQUET:
            scenes = _parquet(path)
            beside = path.with_name("tiles.parquet")
            if tiles is None and path.name == "scenes.parquet" and beside.exists():
                tiles = _parquet(beside)
        else:
            scenes = _json(path)
    if hasattr(scenes, "columns"):
        if not is_stac_frame(scenes):
            return _frame(scenes, aoi, tiles, read_tiles)
        scenes = items_of_frame(scenes)
    value = _plain(scenes)
    items = stac_items(value)
    if items is None:
        _check_no_tiles(tiles)
        return _value(value, aoi)
    if callable(tiles):
        return _documents(scenes_with_tiles(items, tiles), aoi)
    params = {"tiles": tiles} if isinstance(tiles, str) else {}
    return SceneBody(encode({"type": "FeatureCollection", "features": items}), GEOJSON, params)


def _frame(frame: pd.DataFrame, aoi: str, tiles: Tiles, read_tiles: Callable[[str], pd.DataFrame] | None) -> SceneBody:
    from workflow_monitor.client import frame_input, listed_input  # noqa: PLC0415 - pandas loads on first use

    if listed_input.is_listed_frame(frame) and not isinstance(tiles, str) and not callable(tiles):
        return _documents(listed_input.listed_documents(frame, tiles, read_tiles), aoi)
    _check_no_tiles(tiles)
    return _documents(frame_input.frame_documents(frame), aoi)


def _check_no_tiles(tiles: Tiles) -> None:
    if tiles is not None:
        raise InvalidInput(
            "tiles chooses the tiles of STAC items, or holds the tiles of a frame of aoi.scenes(); these scenes have tiles of "
            "their own."
        )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
    raise InvalidInput(f"The file {path} cannot be read: {why}.")


def _json(path: Path) -> object:
    content = _content(path)
    try:
        if path.suffix.lower() in _LINES:
            return [json.loads(line) for line in content.splitlines() if line.strip()]
        return json.loads(content)
    except ValueError as error:
        problem = describe_bytes(content) or f"{error}. Save lines of JSON as *.ndjson"
    raise InvalidInput(f"The file {path} is not JSON. {problem}.")


def _parquet(path: Path) -> pd.DataFrame:
    import geopandas as gpd  # noqa: PLC0415 - geopandas loads on first use
    import pandas as pd  # noqa: PLC0415 - geopandas loads on first use

    problem = ""
    for read in (gpd.read_parquet, pd.read_parquet):
        try:
            frame: pd.DataFrame = read(path)
        except (ValueError, OSError) as error:
            # without GeoParquet metadata it may be a plain table
            problem = str(error)
        else:
            return frame
    raise InvalidInput(f"The file {path} cannot be read as Parquet: {problem}.")


def _plain(scenes: object) -> object:
    value = plain_document(scenes)
    if isinstance(value, dict):
        return value
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise InvalidInput(
            f"Scenes must be a file, a GeoDataFrame, STAC items or a list of documents, not {type(scenes).__name__}."
        )
    return [plain_document(one) for one in value]


def _value(value: object, aoi: str) -> SceneBody:
    if isinstance(value, dict) and "source_id" not in value:
        # a FeatureCollection, or a form whose error names the format
        return SceneBody(encode(value), GEOJSON)
    return _documents([value] if isinstance(value, dict) else value, aoi)


def _documents(documents: object, aoi: str) -> SceneBody:
    if not isinstance(documents, list) or not all(isinstance(one, Mapping) for one in documents):
        raise InvalidInput("Scenes are a list of documents, STAC items, or the FeatureCollection of a catalogue.")
    if not documents:
        raise InvalidInput("There are no scenes to add.")
    return SceneBody(encode([{"aoi": aoi, **one} for one in documents]), JSON)

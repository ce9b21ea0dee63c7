"""Conversion of files, GeoDataFrames and lists to the request body of an ingestion."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from workflow_monitor.client.errors import InvalidInput
from workflow_monitor.client.json_values import encode
from workflow_monitor.documents.media_types import GEOJSON, JSON, NDJSON


def parse_scenes(scenes: Any, aoi: str) -> tuple[bytes, str]:  # noqa: ANN401 - any supported form
    """Return request body and media type for scenes in any supported form. Raises InvalidInput."""
    if isinstance(scenes, (str, PathLike)):
        return _file(Path(scenes), aoi)
    if isinstance(scenes, Mapping):
        return _value(dict(scenes), aoi)
    if hasattr(scenes, "columns"):
        from workflow_monitor.client.frame_input import frame_documents  # noqa: PLC0415 - pandas loads on first use

        scenes = frame_documents(scenes)
    elif not isinstance(scenes, Iterable) or isinstance(scenes, bytes):
        raise InvalidInput(
            f"Scenes must be a file, a GeoDataFrame or a list of documents, not {type(scenes).__name__}."
        )
    return _value(list(scenes), aoi)


def _file(path: Path, aoi: str) -> tuple[bytes, str]:
    try:
        body = path.expanduser().read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
    else:
        why = ""
    if why:
        raise InvalidInput(f"The file {path} cannot be read: {why}.")
    if path.suffix.lower() in {".ndjson", ".jsonl"}:
        return body, NDJSON
    try:
        value = json.loads(body)
    except ValueError as error:
        problem = str(error)
    else:
        return _value(value, aoi)
    raise InvalidInput(f"The file {path} is not JSON: {problem}. Save lines of JSON as *.ndjson.")


def _value(value: object, aoi: str) -> tuple[bytes, str]:
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        return encode(value), GEOJSON
    documents = [value] if isinstance(value, dict) else value
    if not isinstance(documents, list) or not all(isinstance(one, Mapping) for one in documents):
        raise InvalidInput("Scenes are a list of documents, or a GeoJSON FeatureCollection of a catalogue.")
    if not documents:
        raise InvalidInput("There are no scenes to add.")
    return encode([{"aoi": aoi, **one} for one in documents]), JSON

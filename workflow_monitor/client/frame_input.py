"""Conversion of a (Geo)DataFrame to scene documents. Errors name the cell by row label and column."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import pandas as pd

from workflow_monitor.client.errors import InvalidInput
from workflow_monitor.client.json_values import is_array, plain_value
from workflow_monitor.documents.rfc3339 import parse_time

#: columns that become fields of the data of a scene
_DATA = frozenset(
    {"uuid", "date", "graph_name", "graph_config", "record_id", "instances_id", "metadata", "is_retriable"}
    | {"storage_uri", "tags"}
)
#: columns of this client's frames that a new scene ignores
_STATE = frozenset({"id", "aoi", "status", "message", "retry_countdown", "attempt", "geometry_origin", "geometry_note"})
_COLUMNS = frozenset({"source_id", "geometry", "tiles", "data", "retry_count"}) | _DATA | _STATE
#: path of a field in an error of the server
_POSITION = re.compile(r"\[(?P<row>\d{1,9})\](?:\.(?:data\.(?=\w))?(?P<column>\w+))?")
#: limit on invalid cells in one error
MAX_ERRORS = 20


class CellError(ValueError):
    """An invalid cell; the text continues "the cell …"."""


def frame_documents(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a scene document per row, with footprints in EPSG:4326. Raises InvalidInput.

    The footprint is the active geometry of a GeoDataFrame, otherwise the only column of geometries. `tiles` holds tile
    documents or lists of names; without it, a scene gets the tiles in its `data`, or else one tile with the name of the
    scene. Missing cells (None, NaN, NaT, pd.NA) are absent fields; `source_id` must not be missing.
    """
    frame = _with_wgs84_geometry(frame)
    names = [str(name) for name in frame.columns]
    promoted = _promoted_integers(frame)
    documents: list[dict[str, Any]] = []
    errors: list[tuple[str, str]] = []
    for label, cells in zip(frame.index.tolist(), frame.itertuples(index=False, name=None), strict=True):
        row = _Row(dict(zip(names, cells, strict=True)), promoted)
        documents.append(row.document())
        errors += [(f"row {label!r}, column {column}", reason) for column, reason in row.errors]
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        lines = [f"  {place}: {reason}" for place, reason in errors[:MAX_ERRORS]]
        heading = "The frame has invalid cells. Nothing was added."
        raise InvalidInput("\n".join([heading, *lines]), errors=errors[:MAX_ERRORS])
    return documents


def _with_wgs84_geometry(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its footprints in the column `geometry`, in EPSG:4326."""
    active = _footprint_column(frame)
    _check_columns([str(name) for name in frame.columns], active)
    if active is None:
        return frame
    footprints: Any = frame[active].array
    if footprints.crs is not None:
        footprints = footprints.to_crs(4326)
    return pd.DataFrame(frame.drop(columns=[active])).assign(geometry=footprints)


def _footprint_column(frame: pd.DataFrame) -> str | None:
    """Return the active geometry column, else the column `geometry`, else the only column of geometries."""
    active: str | None = getattr(frame, "active_geometry_name", None)
    columns = [str(name) for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if str(dtype) == "geometry"]
    if active not in frame.columns:
        active = None
    if active is not None or "geometry" in frame.columns:
        return active or ("geometry" if "geometry" in columns else None)
    return columns[0] if len(columns) == 1 else None


def _check_columns(names: list[str], active: str | None) -> None:
    valid = _COLUMNS | {active}
    errors = [(name, "is unknown") for name in names if name not in valid and not name.startswith(("tags.", "data."))]
    errors += [(name, "occurs twice") for name in dict.fromkeys(names) if names.count(name) > 1]
    if active not in {None, "geometry"} and "geometry" in names:
        errors.append(("geometry", f"is not the active geometry {active!r}"))
    if "source_id" not in names:
        errors.append(("source_id", "is missing"))
    if errors:
        reasons = ", ".join(f"column {name} {reason}" for name, reason in errors)
        raise InvalidInput(
            f"The frame has no valid scenes: {reasons}. Required: source_id. Optional: geometry, tiles, data, "
            f"retry_count, {', '.join(sorted(_DATA))}, and tags.NAME, data.NAME. Drop or rename the others.",
            errors=errors,
        )


def _promoted_integers(frame: pd.DataFrame) -> set[str]:
    """Return the columns of floats that were integers before pandas put NaN for missing values."""
    columns = [(str(name), frame[name]) for name, dtype in frame.dtypes.items() if dtype.kind == "f"]
    return {
        name
        for name, values in columns
        if values.isna().any()
        and (present := values.dropna()).between(-(2**53), 2**53).all()
        and (present % 1 == 0).all()
    }


def with_row_labels(error: InvalidInput, frame: Any) -> InvalidInput:  # noqa: ANN401 - any frame
    """Return an error of the server with the row and column of the frame in place of the position in the body.

    >>> error = InvalidInput("…", errors=[("[1].data.uuid", "expected a UUID")])
    >>> with_row_labels(error, pd.DataFrame({"source_id": ["a", "b"]}, index=[7, 9])).errors
    (('row 9, column uuid', 'expected a UUID'),)
    """
    labels = frame.index.tolist()
    text, errors = str(error), []
    for field, reason in error.errors:
        match = _POSITION.match(field)
        place = field
        if match and int(match["row"]) < len(labels):
            column = f", column {match['column']}" if match["column"] else ""
            place = f"row {labels[int(match['row'])]!r}{column}{field[match.end() :]}"
        errors.append((place, reason))
        text = text.replace(f"{field}: {reason}", f"{place}: {reason}")
    return InvalidInput(text, status=error.status, code=error.code, errors=errors)


class _Row:
    """One row of a frame; `errors` lists its invalid cells as (column, reason)."""

    def __init__(self, cells: Mapping[str, Any], promoted: set[str]) -> None:
        self._cells = {
            name: int(value) if name in promoted else value for name, value in cells.items() if not is_missing(value)
        }
        self.errors: list[tuple[str, str]] = []

    def document(self) -> dict[str, Any]:
        """Return the scene document; incomplete if the row has errors."""
        if "source_id" not in self._cells:
            self.errors.append(("source_id", "is missing; give each scene its name, or drop the row"))
        name = self._convert("source_id", _source_id)
        data: dict[str, Any] = self._convert("data", _data) or {}
        data |= dict(self._fields())
        tags = {column[5:]: self._convert(column, _tag) for column in self._prefixed("tags.")}
        if tags:
            data["tags"] = {**(data.get("tags") or {}), **tags}
        if "geometry" in self._cells:
            data.pop("wkt", None)
            data["geometry"] = self._convert("geometry", _geometry)
        tiles, data["tiles"] = describe_tiles(self._convert("tiles", _tiles), data.get("tiles"), name)
        document = {"source_id": name, "data": data, "tiles": tiles}
        count = self._convert("retry_count", _count)
        return document if count is None else {**document, "retry_count": count}

    def _fields(self) -> Iterator[tuple[str, Any]]:
        for column in self._cells:
            if column in _DATA:
                yield column, self._convert(column, _FIELDS.get(column, json_value))
        for column in self._prefixed("data."):
            yield column[5:], self._convert(column, _FIELDS.get(column[5:], json_value))

    def _prefixed(self, prefix: str) -> list[str]:
        return [column for column in self._cells if column.startswith(prefix)]

    def _convert(self, column: str, convert: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - cells of a frame
        """Return the converted cell; None for a missing or an invalid one."""
        if column not in self._cells:
            return None
        try:
            return convert(self._cells[column])
        except CellError as error:
            self.errors.append((column, str(error)))
            return None


def _source_id(value: object) -> str:
    name = plain_value(value)
    if isinstance(name, str) and name.strip():
        return name
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    raise CellError("is blank" if isinstance(name, str) else f"is {_describe(value)}; expected a text")


def _data(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise CellError(f"is not JSON: {error}") from None
    if not isinstance(value, Mapping):
        raise CellError(f"is {_describe(value)}; expected a JSON object")
    plain: dict[str, Any] = json_value(value)
    return plain


def _tag(value: object) -> str:
    if isinstance(value, (list, tuple, set, frozenset, Mapping)) or is_array(value):
        raise CellError(f"is {_describe(value)}; a tag is a text or a number")
    return str(value)


def _tags(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise CellError(f"is {_describe(value)}; expected a mapping of names to texts")
    return {str(name): _tag(tag) for name, tag in value.items() if not is_missing(tag)}


def _date(value: object) -> str:
    if not isinstance(value, (str, date)):
        raise CellError(f"is {_describe(value)}; expected a time or an RFC 3339 text")
    text: str = value if isinstance(value, str) else plain_value(value)
    try:
        parse_time(text)
    except ValueError as error:
        raise CellError(f"is {text[:80]!r}: {error}") from None
    return text


def _geometry(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a geometry of any library
    if isinstance(value, Mapping):
        geometry: dict[str, Any] = json_value(value)
        return geometry
    if not hasattr(value, "__geo_interface__"):
        raise CellError(f"is {_describe(value)}; expected a geometry, as of geopandas.GeoSeries.from_wkt")
    interface: dict[str, Any] = json.loads(json.dumps(value.__geo_interface__))
    return interface


def _count(value: object) -> int:
    count = plain_value(value)
    if isinstance(count, (int, float)) and not isinstance(count, bool) and count % 1 == 0:
        return int(count)
    raise CellError(f"is {_describe(value)}; expected an integer")


def _tiles(value: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - cells of a frame
    """Return tile documents by name; lists of names, also as arrays of Parquet files, give empty documents."""
    if isinstance(value, Mapping):
        tiles = {}
        for name, tile in value.items():
            if not isinstance(tile, Mapping):
                raise CellError(f"has {_describe(tile)} for the tile {name!r}; expected a tile document")
            tiles[str(name)] = json_value(tile, f" at {name}")
        return tiles
    names = value.tolist() if is_array(value) else value
    if not isinstance(names, (list, tuple)):
        raise CellError(f"is {_describe(value)}; expected a list of names")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise CellError(f"has {_describe(name)} at [{index}]; expected the name of a tile")
    return {name: {} for name in names}


def describe_tiles(
    tiles: Mapping[str, dict[str, Any]] | None, details: object, scene: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tile documents of a scene, and their entries in its data."""
    in_data = details if isinstance(details, dict) else {}
    by_name = tiles or {tile: {} for tile in in_data or ([] if scene is None else [scene])}
    documents = {tile: {"data": {}, **document} for tile, document in by_name.items()}
    entries = {
        tile: in_data.get(tile)
        or {key: (document["data"] or {}).get(key, default) for key, default in (("swath_id", ""), ("tile_nr", 0))}
        for tile, document in documents.items()
    }
    return documents, entries


def is_missing(value: object) -> bool:
    """True for None, NaN, NaT and pd.NA.

    >>> is_missing(float("nan")), is_missing([None])
    (True, False)
    """
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))  # type: ignore[call-overload]


def json_value(value: Any, place: str = "") -> Any:  # noqa: ANN401 - cells of a frame
    """Convert a cell to a JSON value; times to UTC. Raises CellError for NaN, arrays and other objects in it."""
    if isinstance(value, Mapping):
        return {
            str(key): json_value(member, f"{place}.{key}" if place else f" at {key}") for key, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [json_value(member, f"{place or ' at '}[{index}]") for index, member in enumerate(value)]
    if is_array(value):
        raise CellError(f"has an array{place}; convert it by .tolist()")
    value = plain_value(value)
    if value is None:
        return None
    if is_missing(value) or value in {float("inf"), -float("inf")}:
        raise CellError(f"has {value}{place}, which JSON lacks; use None")
    if not isinstance(value, (str, bool, int, float)):
        raise CellError(f"has {_describe(value)}{place}; expected a JSON value")
    return value


def _describe(value: object) -> str:
    if is_missing(value):
        return "a missing value"
    if is_array(value):
        return "an array"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:59] + '…'} ({type(value).__name__})"


_FIELDS: Mapping[str, Callable[[Any], Any]] = {"date": _date, "tags": _tags}

"""Arrow tables as frames: categorical statuses, times in UTC, footprints in EPSG:4326. JSON is parsed on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import geopandas as gpd
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from workflow_monitor.client.errors import InvalidInput, MonitorError
from workflow_monitor.documents.events import EventDocument
from workflow_monitor.documents.validation import SceneFields
from workflow_monitor.domain.status import ItemKind, Status

CRS = "EPSG:4326"

#: True for all fields, or names
Fields = bool | str | Sequence[str]
Frame = TypeVar("Frame", bound=pd.DataFrame)

_ORDER = {
    ItemKind.SCENE: ("id", "source_id", "aoi", "status", "date", "message", "retry_countdown", "attempt"),
    ItemKind.TILE: (
        *("id", "source_id", "aoi", "status", "scene", "scene_source_id", "scene_status", "date"),
        *("previous", "previous_status", "reference", "message", "retry_countdown", "attempt"),
    ),
}
_LAST = ("data", "geometry_origin", "geometry_note", "geometry")
_NAMES = {"RetryCountDown": "retry_countdown", "PreviousID": "previous", "ReferenceID": "reference"}
_STATUSES = pa.array([str(status) for status in Status])
_STATUS_COLUMNS = frozenset({"status", "scene_status", "previous_status"})
_CATEGORIES = frozenset({"aoi", "geometry_origin"})
_NULLABLE = frozenset({"previous", "reference", "attempt"})


def item_frame(table: pa.Table, kind: ItemKind) -> gpd.GeoDataFrame:
    """Return the GeoDataFrame (EPSG:4326) of a table of scenes or tiles, ordered by id."""
    if not _is_ordered(table["id"]):
        table = table.sort_by("id")
    table = table.rename_columns([_NAMES.get(name, name) for name in table.column_names])
    columns = {name: _series(name, table[name]) for name in table.column_names if name != "geometry"}
    if kind is ItemKind.TILE and "previous_status" not in columns:
        columns["previous_status"] = _status_of(columns["previous"], columns["id"], columns["status"])
    columns["geometry"] = _footprints(table["geometry"])
    order = [name for name in (*_ORDER[kind], *_LAST) if name in columns]
    order += [name for name in columns if name not in order]
    frame = pd.DataFrame({name: columns[name] for name in order}, copy=False)
    return gpd.GeoDataFrame(frame, geometry="geometry")


def _named(texts: Sequence[str]) -> pd.Categorical[Any]:
    names = dict.fromkeys(texts)
    numbers = {name: number for number, name in enumerate(names)}
    return pd.Categorical.from_codes([numbers[text] for text in texts], dtype=_category(names))


def event_frame(events: Sequence[EventDocument]) -> pd.DataFrame:
    """Return the DataFrame of a history, one row per event."""
    columns: dict[str, Any] = {
        "seq": pd.array([event.seq for event in events], "int64"),
        "time": pd.to_datetime([event.time for event in events], utc=True).as_unit("us"),
        "aoi": _named([event.aoi for event in events]),
        "kind": pd.Categorical([event.type for event in events], dtype=_category(["aoi", *map(str, ItemKind)])),
        "id": pd.array([event.id for event in events], "int64"),
        "before": pd.Categorical([event.before for event in events], dtype=_category(map(str, Status))),
        "after": pd.Categorical([event.to for event in events], dtype=_category(map(str, Status))),
        "cause": _named([event.cause for event in events]),
        "who": _named([event.who for event in events]),
        "message": pd.array([event.message for event in events], text_type()),
        "attempt": pd.array([event.attempt for event in events], "int64"),
        "retry_countdown": pd.array([event.RetryCountDown for event in events], "int64"),
        "previous": pd.array([event.PreviousID for event in events], "Int64"),
        "reference": pd.array([event.ReferenceID for event in events], "Int64"),
    }
    return pd.DataFrame(columns)


def expand(
    frame: Frame, *, tags: Fields = False, data: Fields = False, all_data: Callable[[], Iterable[str]] | None = None
) -> Frame:
    """Return the frame with columns `tags.…` and `data.…` from the JSON text in its column `data`.

    `True` adds a column for each field in the data; a name or a list of names adds these fields. The JSON of every
    row is parsed, so filter a long frame first. `all_data` returns the JSON texts of the unfiltered list, for tags that
    no row of the frame has. Raises MonitorError without a column `data`, InvalidInput for a tag or a field that no row
    has though others are there.

    >>> frame = pd.DataFrame({"data": ['{"graph_name": "S1", "tags": {"orbit": "44"}}']})
    >>> expand(frame, tags=True, data="graph_name").iloc[0, 1:].to_dict()
    {'tags.orbit': '44', 'data.graph_name': 'S1'}
    """
    if tags is False and data is False:
        return frame
    if "data" not in frame.columns:
        raise MonitorError("There is no column `data` to expand; keep it when selecting columns.")
    texts = frame["data"].tolist()
    made: dict[str, Any] = {}
    if tags is not False:
        by_row = _tags(texts)
        _check_names("tag", tags, by_row, lambda: _tags(all_data() if all_data else []))
        made |= _columns("tags", by_row, tags)
    if data is not False:
        documents = _documents(texts, data)
        _check_names("field", data, documents, lambda: _documents(texts, True), SceneFields.__struct_fields__)
        made |= _columns("data", documents, data)
    added = {name: pd.Series(values, index=frame.index) for name, values in made.items()}
    kept = frame.drop(columns=[name for name in added if name in frame.columns])
    return kept.assign(**added)


def joined(tiles: gpd.GeoDataFrame, scenes: pd.DataFrame) -> gpd.GeoDataFrame:
    """Join the columns `tags.…` of the scenes to their tiles."""
    wanted = [name for name in scenes.columns if str(name).startswith("tags.")]
    return tiles.merge(scenes[["id", *wanted]].rename(columns={"id": "scene"}), on="scene", how="left")


def _check_names(
    noun: str,
    requested: Fields,
    by_row: Sequence[dict[str, Any]],
    others: Callable[[], Sequence[dict[str, Any]]],
    standard: Iterable[str] = (),
) -> None:
    """Raise InvalidInput for requested names that neither the rows nor the other documents have."""
    missing = [name for name in _names(requested) if not any(document.get(name) is not None for document in by_row)]
    if not missing:
        return
    # Documents of single fields have the requested names as keys, also without a value.
    existing = {name for document in by_row for name, value in document.items() if value is not None}
    existing |= {name for document in others() for name in document}
    unknown = [name for name in missing if name not in existing.union(standard)]
    if unknown and existing:
        raise InvalidInput(
            f"There is no {noun} {', '.join(map(repr, unknown))}. {noun.capitalize()}s: {', '.join(sorted(existing))}.",
            errors=[(name, "is unknown") for name in unknown],
        )


def _tags(texts: Iterable[str]) -> list[dict[str, Any]]:
    decode = msgspec.json.Decoder(_Tagged).decode
    tags = (decode(text).tags for text in texts)
    return [value if isinstance(value, dict) else {} for value in tags]


def _documents(texts: Sequence[str], data: Fields) -> list[dict[str, Any]]:
    """Decode the data into dicts, with the requested fields only."""
    if data is True:
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        return [{key: value for key, value in decode(text).items() if key != "tags"} for text in texts]
    names = _names(data)
    # Numbered fields, because a name in the data may be no Python identifier.
    fields = [(f"field_{number}", Any, msgspec.field(default=None, name=name)) for number, name in enumerate(names)]
    decode_some = msgspec.json.Decoder(msgspec.defstruct("Some", fields)).decode
    return [dict(zip(names, msgspec.structs.astuple(decode_some(text)), strict=True)) for text in texts]


def _columns(prefix: str, documents: Sequence[dict[str, Any]], wanted: Fields) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(key for d in documents for key in d)) if wanted is True else _names(wanted)
    return {f"{prefix}.{name}": [document.get(name) for document in documents] for name in names}


def _names(wanted: Fields) -> list[str]:
    if isinstance(wanted, str):
        return [wanted]
    return [] if isinstance(wanted, bool) else list(dict.fromkeys(wanted))


class _Tagged(msgspec.Struct):
    tags: Any = None


def _series(name: str, column: pa.ChunkedArray) -> Any:  # noqa: ANN401 - arrays of all the types that pandas has
    if name in _STATUS_COLUMNS:
        return _statuses(column)
    if name in _CATEGORIES:
        return _categories(column)
    if pa.types.is_timestamp(column.type):
        moments = column.cast(pa.timestamp("us"))
        return moments.cast(pa.timestamp("us", "UTC")).to_pandas()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _texts(column)
    if name in _NULLABLE and (name != "attempt" or column.null_count):
        return column.to_pandas(types_mapper={column.type: pd.Int64Dtype()}.get)
    return column.to_pandas()


def _is_ordered(ids: pa.ChunkedArray) -> bool:
    numbers = ids.to_numpy()
    return bool((numbers[1:] > numbers[:-1]).all())


def _statuses(column: pa.ChunkedArray) -> pd.Categorical[Any]:
    plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    codes = pc.fill_null(pc.index_in(plain, _STATUSES), -1).to_numpy().astype("int8")
    return _categorical(codes, _STATUSES)


def _categories(column: pa.ChunkedArray) -> pd.Categorical[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    names = pc.unique(column).drop_null()
    codes = pc.fill_null(pc.index_in(column, names), -1).to_numpy().astype("int32")
    return _categorical(codes, names)


def _categorical(codes: np.ndarray[Any, Any], names: pa.Array) -> pd.Categorical[Any]:
    return pd.Categorical.from_codes(codes, dtype=_category(names.to_pylist()))


def _category(names: Iterable[str]) -> pd.CategoricalDtype[Any]:
    """Return a categorical type of text, with or without names."""
    return pd.CategoricalDtype(pd.Index(list(names), dtype=text_type()))


def _status_of(wanted: pd.Series[Any], ids: pd.Series[Any], statuses: pd.Categorical[Any]) -> pd.Categorical[Any]:
    """Return the statuses of tiles by id; missing for ids outside the list."""
    known = ids.to_numpy()
    asked = wanted.to_numpy("int64", na_value=-1)
    if not len(known):
        return statuses
    order = np.argsort(known, kind="stable")
    at = order[np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)]
    codes = np.where(known[at] == asked, statuses.codes[at], -1)
    return pd.Categorical.from_codes(codes, dtype=statuses.dtype)


def _footprints(column: pa.ChunkedArray) -> gpd.array.GeometryArray:
    """Decode WKB or GeoJSON text; consecutive equal footprints, as in the tiles of a scene, are decoded once."""
    if not len(column):
        return gpd.array.GeometryArray(np.array([], dtype=object), crs=CRS)
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    # large types: the total may exceed 2 GB
    encoded = column.cast(pa.large_string() if text else pa.large_binary()).combine_chunks()
    is_new = np.ones(len(encoded), dtype=bool)
    differs = pc.not_equal(encoded[1:], encoded[:-1])
    # Comparison with null gives null: treat it as different.
    is_new[1:] = pc.fill_null(differs, True).to_numpy(zero_copy_only=False)
    values = encoded.filter(pa.array(is_new)).to_numpy(zero_copy_only=False)
    shapes = shapely.from_geojson(values) if text else shapely.from_wkb(values)
    return gpd.array.GeometryArray(shapes[np.cumsum(is_new) - 1], crs=CRS)


def text_type() -> Any:  # noqa: ANN401 - pandas has a type of types
    """Return the pandas type of text columns."""
    return pd.StringDtype("pyarrow") if pd.__version__.startswith("2.") else pd.StringDtype(na_value=np.nan)


def _texts(column: pa.ChunkedArray) -> pd.Series[Any]:
    """Keep strings in Arrow; pandas 2 converts them to Python objects."""
    return pd.Series(text_type().__from_arrow__(column))

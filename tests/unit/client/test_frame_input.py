"""Frames as scene documents: missing values, footprints of any column, and invalid cells named by row and column."""

from __future__ import annotations

from datetime import date
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, box

from workflow_monitor.client.errors import InvalidInput
from workflow_monitor.client.frame_input import frame_documents

MISSING = [None, float("nan"), pd.NA, pd.NaT]
SQUARE = box(14.6, 54.9, 15.2, 55.4)


def errors(columns: dict[str, Any]) -> dict[str, str]:
    """Return the errors of a frame by place; its labels are 7 and 9."""
    with pytest.raises(InvalidInput) as caught:
        frame_documents(pd.DataFrame({"source_id": ["a", "b"], **columns}, index=[7, 9]))
    for place, reason in caught.value.errors:
        assert f"{place}: {reason}" in str(caught.value)
    return dict(caught.value.errors)


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_missing_cells_are_absent_fields(missing: object) -> None:
    cells = pd.Series([missing], dtype=object)
    names = ("tags.orbit", "date", "geometry", "tiles", "data", "metadata", "data.graph_name", "retry_count", "tags")
    (document,) = frame_documents(pd.DataFrame({"source_id": ["a"], **dict.fromkeys(names, cells)}))
    swath = {"swath_id": "", "tile_nr": 0}
    assert document == {"source_id": "a", "data": {"tiles": {"a": swath}}, "tiles": {"a": {"data": {}}}}


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_missing_source_id_is_refused(missing: object) -> None:
    frame = pd.DataFrame({"source_id": pd.Series(["a", missing], dtype=object)}, index=["first", "second"])
    with pytest.raises(InvalidInput, match="row 'second', column source_id: is missing"):
        frame_documents(frame)


def test_nullable_columns_become_texts_of_tags() -> None:
    frame = pd.DataFrame(
        {
            "source_id": ["a", "b"],
            "tags.cloud": pd.array([12, pd.NA], dtype="Int64"),
            "tags.orbit": pd.array(["44", pd.NA], dtype="string"),
            "tags.relative": [8, None],
            "tags.ratio": [0.5, None],
        }
    )
    first, second = frame_documents(frame)
    assert first["data"]["tags"] == {"cloud": "12", "orbit": "44", "relative": "8", "ratio": "0.5"}
    assert "tags" not in second["data"]


def test_missing_values_in_a_mapping_of_tags_are_no_tags() -> None:
    frame = pd.DataFrame({"source_id": ["a"], "tags": [{"orbit": 44, "cloud": float("nan"), "mode": None}]})
    (document,) = frame_documents(frame)
    assert document["data"]["tags"] == {"orbit": "44"}


def test_lists_of_tiles_from_parquet_are_arrays() -> None:
    frame = pd.DataFrame({"source_id": ["a"], "tiles": [np.array(["33UVB", "33UWB"], dtype=object)]})
    (document,) = frame_documents(frame)
    assert list(document["tiles"]) == list(document["data"]["tiles"]) == ["33UVB", "33UWB"]


def test_source_ids_of_integers_are_texts() -> None:
    assert [document["source_id"] for document in frame_documents(pd.DataFrame({"source_id": [5, 6]}))] == ["5", "6"]


@pytest.mark.parametrize(
    "frame",
    [
        gpd.GeoDataFrame({"source_id": ["a"], "geom": [SQUARE]}, geometry="geom", crs=4326).to_crs(32633),
        gpd.GeoDataFrame({"source_id": ["a"], "geometry": [SQUARE]}, crs=4326).to_crs(32633),
        pd.DataFrame({"source_id": ["a"], "footprint": gpd.GeoSeries([SQUARE], crs=4326).to_crs(32633)}),
        pd.DataFrame({"source_id": ["a"], "geometry": gpd.GeoSeries([SQUARE], crs=4326).to_crs(32633)}),
        pd.DataFrame({"source_id": ["a"], "geometry": [SQUARE]}),
        pd.DataFrame({"source_id": ["a"], "geometry": [SQUARE.__geo_interface__]}),
    ],
    ids=["geom", "geometry", "frame of geometries", "plain frame", "objects", "mappings"],
)
def test_footprints_of_any_column_are_in_wgs84(frame: pd.DataFrame) -> None:
    (document,) = frame_documents(frame)
    ring = np.array(document["data"]["geometry"]["coordinates"][0])
    assert [*ring.min(axis=0), *ring.max(axis=0)] == pytest.approx(SQUARE.bounds, abs=1e-6)


def test_further_geometry_columns_are_named() -> None:
    frame = gpd.GeoDataFrame(
        {"source_id": ["a"], "geom": [SQUARE], "geometry": [Point(0, 0)], "centre": [Point(0, 0)]}, geometry="geom"
    )
    with pytest.raises(InvalidInput) as caught:
        frame_documents(frame)
    assert [name for name, _ in caught.value.errors] == ["centre", "geometry"]


def test_duplicate_columns_are_named() -> None:
    with pytest.raises(InvalidInput, match="column source_id occurs twice"):
        frame_documents(pd.DataFrame([["a", "b"]], columns=["source_id", "source_id"]))


INVALID: dict[str, tuple[str, object, str]] = {
    "NaN in metadata": ("metadata", {"cloud": float("nan")}, "has nan at cloud"),
    "infinity in metadata": ("metadata", {"a": [1.0, float("inf")]}, "has inf at a[1]"),
    "missing value in metadata": ("metadata", {"a": {"b": pd.NA}}, "has <NA> at a.b"),
    "array in metadata": ("metadata", {"bands": np.array([1, 2])}, "has an array at bands"),
    "array as metadata": ("metadata", np.array([1, 2]), "has an array"),
    "object in metadata": ("metadata", {"a": object()}, "has <object"),
    "set as data field": ("data.record_id", {1}, "has {1} (set)"),
    "array as tag": ("tags.bands", np.array([1]), "is an array"),
    "list as tag": ("tags.bands", ["B4"], "is ['B4'] (list)"),
    "text as tags": ("tags", "orbit", "is 'orbit' (str)"),
    "text as geometry": ("geometry", "POINT (1 2)", "is 'POINT (1 2)' (str); expected a geometry"),
    "text as tiles": ("tiles", "33UVB,33UWB", "is '33UVB,33UWB' (str); expected a list"),
    "missing name of a tile": ("tiles", ["33UVB", None], "has a missing value at [1]"),
    "text as tile": ("tiles", {"33UVB": "x"}, "has 'x' (str) for the tile '33UVB'"),
    "no JSON as data": ("data", "{", "is not JSON"),
    "no object as data": ("data", "[1]", "is [1] (list); expected a JSON object"),
    "NaN in the text of data": ("data", '{"metadata": {"cloud": NaN}}', "has nan at metadata.cloud"),
    "half a retry": ("retry_count", 1.5, "is 1.5 (float); expected an integer"),
    "text as retry_count": ("retry_count", "3", "is '3' (str); expected an integer"),
    "day without a time": ("date", "2022-01-04", "is '2022-01-04': expected a date of RFC 3339"),
    "number as date": ("date", 20220104, "is 20220104 (int); expected a time"),
    "blank name": ("source_id", " ", "is blank"),
    "list as name": ("source_id", ["a"], "is ['a'] (list); expected a text"),
    "float as name": ("source_id", 5.5, "is 5.5 (float); expected a text"),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_cell_is_named_by_row_and_column(case: str) -> None:
    column, cell, reason = INVALID[case]
    valid = {"source_id": "a", "date": date(2022, 1, 4)}.get(column)
    (place, text), *others = errors({column: pd.Series([valid, cell], dtype=object, index=[7, 9])}).items()
    assert (place, others) == (f"row 9, column {column}", [])
    assert text.startswith(reason)


def test_all_invalid_cells_are_named() -> None:
    cells = pd.Series([["x"], ["y"]], dtype=object, index=[7, 9])
    assert list(errors({"tags.a": cells, "tags.b": cells})) == [
        f"row {label}, column tags.{name}" for label in (7, 9) for name in "ab"
    ]

"""STAC items as JSON, pystac objects, functions of tiles, and frames of stac-geoparquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import shape

from tests.paths import DATA
from workflow_monitor import Monitor
from workflow_monitor.client import AOI
from workflow_monitor.client.errors import InvalidInput

FILES = sorted((DATA / "stac").glob("*.json"))
ITEMS: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in FILES]
IDS = {item["id"] for item in ITEMS}
SENTINEL_2 = [item for item in ITEMS if item["collection"].startswith("sentinel-2")]


class Item:
    """The part of a pystac item that the client uses."""

    stac_extensions: tuple[str, ...] = ()

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def to_dict(self, include_self_link: bool = True, transform_hrefs: bool = True) -> dict[str, Any]:
        if transform_hrefs:
            raise AssertionError("pystac reads the catalog of the item to transform links")
        return self._document


class ItemCollection:
    """The part of a pystac ItemCollection that the client uses."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self._items = items

    def to_dict(self, transform_hrefs: bool = False) -> dict[str, Any]:
        return {"type": "FeatureCollection", "features": self._items}


def stac_frame(items: list[dict[str, Any]], crs: int | None = 4326) -> gpd.GeoDataFrame:
    """Return a frame as stac-geoparquet writes it: properties as columns, lists as arrays, a struct of all assets."""
    assets = sorted({name for item in items for name in item["assets"]})
    rows = []
    for item in items:
        properties = {
            name: np.array(value, dtype=object) if isinstance(value, list) else value
            for name, value in item["properties"].items()
        }
        properties["datetime"] = (
            pd.Timestamp(item["properties"]["datetime"]) if item["properties"]["datetime"] else pd.NaT
        )
        rows.append(
            {
                **{name: item[name] for name in ("type", "stac_version", "id", "collection")},
                "links": np.array(item["links"], dtype=object),
                "assets": {name: item["assets"].get(name) for name in assets},
                **properties,
            }
        )
    return gpd.GeoDataFrame(rows, geometry=[shape(item["geometry"]) for item in items], crs=crs)


@pytest.fixture
def aoi(m: Monitor) -> AOI:
    return m.create("Stac")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_of_items(aoi: AOI, path: Path) -> None:
    item = json.loads(path.read_text(encoding="utf-8"))
    assert list(aoi.add_scenes(path)) == [item["id"]]
    scenes = aoi.scenes(data="metadata")
    assert scenes["date"].notna().all()
    assert scenes.geometry.notna().all()
    assert scenes["data.metadata"][0]["assets"] == {name: asset["href"] for name, asset in item["assets"].items()}


@pytest.mark.parametrize(
    "value",
    [
        {"type": "FeatureCollection", "features": ITEMS},
        ITEMS,
        tuple(ITEMS),
        ItemCollection(ITEMS),
        [Item(item) for item in ITEMS],
        (Item(item) for item in ITEMS),
        stac_frame(ITEMS),
        stac_frame(ITEMS, crs=None),
    ],
    ids=[
        "collection",
        "list",
        "tuple",
        "pystac collection",
        "pystac items",
        "iterator",
        "frame",
        "frame without a CRS",
    ],
)
def test_collections_of_items(aoi: AOI, value: Any) -> None:
    assert set(aoi.add_scenes(value)) == IDS
    scenes = aoi.scenes(tags=["sat:relative_orbit", "sar:polarizations", "eo:cloud_cover"]).set_index("source_id")
    assert scenes["date"].notna().all()
    assert scenes.loc[SENTINEL_2[0]["id"], "tags.eo:cloud_cover"] == pytest.approx(99.9)
    grd = scenes.filter(like="GRDH", axis=0).iloc[0]
    assert (float(grd["tags.sat:relative_orbit"]), grd["tags.sar:polarizations"]) == (168, "VV VH")


def test_lines_of_items(aoi: AOI, tmp_path: Path) -> None:
    path = tmp_path / "items.ndjson"
    path.write_text("\n".join(map(json.dumps, SENTINEL_2)))
    aoi.add_scenes(path, tiles="mgrs")
    assert set(aoi.tiles()["source_id"]) == {"27VWK", "46RER", "32UPE", "01KAB"}


def test_a_parquet_file_of_items(aoi: AOI, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    stac_frame([item for item in ITEMS if item["collection"].startswith("sentinel-2")]).to_parquet(path)
    assert set(aoi.add_scenes(path, tiles="mgrs")) == {item["id"] for item in SENTINEL_2}
    assert set(aoi.tiles()["source_id"]) == {"27VWK", "46RER", "32UPE", "01KAB"}


def test_frames_in_another_crs_are_reprojected(aoi: AOI) -> None:
    items = SENTINEL_2[:1]
    aoi.add_scenes(stac_frame(items).to_crs(32627))
    assert aoi.scenes().total_bounds == pytest.approx(items[0]["bbox"], abs=1e-5)


def test_a_function_chooses_the_tiles(aoi: AOI) -> None:
    def quarters(item: Mapping[str, Any]) -> list[str]:
        return [f"{item['properties']['grid:code']}_{quarter}" for quarter in range(4)]

    aoi.add_scenes(SENTINEL_2[0], tiles=quarters)
    assert aoi.tiles()["source_id"].tolist() == [f"MGRS-27VWK_{quarter}" for quarter in range(4)]


def test_a_function_returns_tile_documents(aoi: AOI) -> None:
    data = {"graph_name": "S1Preprocessing", "swath_id": "IW2", "tile_nr": 3}
    aoi.add_scenes(stac_frame(ITEMS[:1]), tiles=lambda item: {"T": {"data": data}})
    tile = aoi.tiles(data=True).iloc[0]
    assert (tile["source_id"], tile["data.graph_name"], tile["data.tile_nr"]) == ("T", "S1Preprocessing", 3)
    assert json.loads(aoi.scenes()["data"][0])["tiles"] == {"T": {"swath_id": "IW2", "tile_nr": 3}}


@pytest.mark.parametrize("tiles", [[], {}, [5], {"T": 5}])
def test_other_results_of_the_function_are_refused(aoi: AOI, tiles: Any) -> None:
    with pytest.raises(InvalidInput, match=ITEMS[0]["id"]):
        aoi.add_scenes(ITEMS, tiles=lambda _: tiles)
    assert aoi.refresh().overview.scenes.total() == 0


def test_invalid_items_are_refused_by_name_or_skipped(aoi: AOI) -> None:
    broken = {**ITEMS[0], "geometry": {"type": "Point", "coordinates": [1, 2]}}
    with pytest.raises(InvalidInput, match=f"geometry.type.*{ITEMS[0]['id']}"):
        aoi.add_scenes([broken, *ITEMS[1:]])
    added = aoi.add_scenes([broken, *ITEMS[1:]], invalid="skip")
    assert set(added) == IDS - {ITEMS[0]["id"]}
    assert [name for name, _ in added.invalid] == [ITEMS[0]["id"]]
    assert "geometry.type" in added.invalid[0][1]
    assert added.existing == {}
    assert aoi.add_scenes([{**ITEMS[2], "id": 5}], tiles=lambda _: ["T"], invalid="skip").invalid[0][0] == "[0]"


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_frame_without_an_id_is_refused_by_row(aoi: AOI, missing: Any) -> None:
    frame = stac_frame(ITEMS)
    frame["id"] = frame["id"].astype(object)
    frame.loc[3, "id"] = missing
    with pytest.raises(InvalidInput, match="Row 3 has no id"):
        aoi.add_scenes(frame)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "Collection", "stac_version": "1.0.0", "links": [], "id": "s2"}, "STAC Collection"),
        ({"@odata.context": "$metadata", "value": [{"Id": "x", "Name": "S2A"}]}, "OData.*source_id"),
        ({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}]}, "GeoJSON.*GeoDataFrame"),
        ({"type": "Polygon", "coordinates": []}, "GeoJSON geometry"),
        ({"feed": {"entry": []}}, "OpenSearch"),
        ({"items": [{"meta": {}, "umm": {}}]}, "CMR"),
    ],
)
def test_other_formats_are_named_with_the_remedy(aoi: AOI, tmp_path: Path, value: Any, text: str) -> None:
    path = tmp_path / "search.json"
    path.write_text(json.dumps(value))
    for scenes in (path, value):
        with pytest.raises(InvalidInput, match=text):
            aoi.add_scenes(scenes)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"<kml></kml>", "XML"),
        (b"SQLite format 3\x00", "GeoPackage"),
        (b"PK\x03\x04", "ZIP"),
        (b"id,date\nS2A,2022-01-04\n", "CSV"),
    ],
)
def test_other_files_are_named_with_the_remedy(aoi: AOI, tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "search.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=text):
        aoi.add_scenes(path)


def test_options_are_checked(aoi: AOI) -> None:
    with pytest.raises(InvalidInput, match="tiles='granule' is not an option"):
        aoi.add_scenes(ITEMS, tiles="granule")  # type: ignore[arg-type]
    document = {"source_id": "a", "data": {"tiles": {"T": {}}}, "tiles": {"T": {}}}
    with pytest.raises(InvalidInput, match="tiles of their own"):
        aoi.add_scenes([document], tiles="mgrs")

"""STAC items of different collections and catalogues become scenes."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import DATA
from workflow_monitor.documents.scene_lists import SceneOptions, parse_scenes
from workflow_monitor.documents.stac import Tiling, is_stac_item, scene_of_item
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import NewScene

ITEMS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((DATA / "stac").glob("*.json"))
}


def parsed(value: object, tiling: Tiling = "scene") -> list[NewScene]:
    return parse_scenes(json.dumps(value).encode(), "application/geo+json", "A", SceneOptions(tiling=tiling))


def refused(value: object, tiling: Tiling = "scene") -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        parsed(value, tiling)
    return refusal.value


def changed(
    name: str = "sentinel-2-l1c", *, properties: dict[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    item = deepcopy(ITEMS[name]) | members
    item["properties"] |= properties or {}
    return item


def data_of(value: object, tiling: Tiling = "scene") -> dict[str, Any]:
    (scene,) = parsed(value, tiling)
    data: dict[str, Any] = json.loads(scene.data)
    return data


def test_there_are_items_of_many_collections() -> None:
    assert len({item["collection"] for item in ITEMS.values()}) >= 10


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_becomes_a_scene(name: str) -> None:
    item = ITEMS[name]
    (scene,) = parsed(item)
    assert scene.source_id == item["id"]
    assert scene.date is not None
    assert scene.geometry is not None
    assert scene.geometry.origin == "geometry"
    assert scene.geometry.bounds == pytest.approx(item["bbox"]) or "MultiPolygon" in scene.geometry.geojson
    assert [tile.source_id for tile in scene.tiles] == [item["id"]]
    data = json.loads(scene.data)
    assert data["metadata"]["assets"] == {key: asset["href"] for key, asset in item["assets"].items()}
    assert data["tags"]["collection"] == item["collection"]
    assert len(json.dumps(data["tags"])) < 2_000


@pytest.mark.parametrize(
    ("name", "date", "tags"),
    [
        ("sentinel-1-grd", "2024-02-06T05:34:58.221183Z", {"sat:relative_orbit": 168, "sar:polarizations": "VV VH"}),
        ("sentinel-2-l1c", "2024-02-06T13:14:11.918Z", {"grid:code": "MGRS-27VWK", "eo:cloud_cover": 99.9}),
        ("sentinel-2-l2a-planetary-computer", "2024-02-06T10:21:09.024Z", {"s2:mgrs_tile": "32UPE"}),
        ("landsat-c2-l2", "2024-02-06T10:22:09.123456Z", {"platform": "landsat-9", "instruments": "oli tirs"}),
        ("modis-09a1", "2024-02-02T00:00:00Z", {"modis:horizontal-tile": 18, "end_datetime": "2024-02-09T23:59:59Z"}),
    ],
)
def test_properties_are_tags_under_their_names(name: str, date: str, tags: dict[str, Any]) -> None:
    data = data_of(ITEMS[name])
    assert data["date"] == date
    assert data["tags"].items() >= tags.items()


def test_nested_and_long_properties_are_no_tags() -> None:
    assert not {"proj:geometry", "proj:wkt2", "datetime"} & data_of(ITEMS["modis-09a1"])["tags"].keys()
    assert not {"description", "proj:shape"} & data_of(ITEMS["landsat-c2-l2"])["tags"].keys()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda items: {"type": "FeatureCollection", "features": items},
        lambda items: {
            "type": "FeatureCollection",
            "stac_version": "1.0.0",
            "features": items,
            "links": [],
            "context": {},
        },
        lambda items: items,
    ],
)
def test_item_collections_search_results_and_lists(wrap: Any) -> None:
    scenes = parsed(wrap(list(ITEMS.values())))
    assert {scene.source_id for scene in scenes} == {item["id"] for item in ITEMS.values()}


def test_one_item_a_line() -> None:
    body = "\n".join(map(json.dumps, ITEMS.values())).encode()
    assert len(parse_scenes(body, "application/x-ndjson", "A")) == len(ITEMS)


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("sentinel-2-l1c", "27VWK"),
        ("sentinel-2-l2a-earth-search", "46RER"),
        ("sentinel-2-l2a-planetary-computer", "32UPE"),
        ("sentinel-2-l2a-cdse", "01KAB"),
        ("hls", "10SDG"),
    ],
)
def test_tiles_of_mgrs_squares(name: str, tile: str) -> None:
    (scene,) = parsed(ITEMS[name], "mgrs")
    assert [tile.source_id for tile in scene.tiles] == [tile]


@pytest.mark.parametrize(
    ("properties", "tile"),
    [
        ({"s2:mgrs_tile": "1KAB"}, "01KAB"),
        ({"grid:code": "MGRS-1KAB"}, "01KAB"),
        ({"mgrs:utm_zone": 1, "mgrs:latitude_band": "K", "mgrs:grid_square": "AB"}, "01KAB"),
        ({"sentinel:utm_zone": 32, "sentinel:latitude_band": "U", "sentinel:grid_square": "NG"}, "32UNG"),
    ],
)
def test_properties_that_name_a_square(properties: dict[str, Any], tile: str) -> None:
    item = changed("naip", properties=properties)
    assert [tile.source_id for tile in parsed(item, "mgrs")[0].tiles] == [tile]


@pytest.mark.parametrize(
    ("members", "tile", "swath"),
    [
        ({}, "T168-359582-IW2", "IW2"),
        ({"id": "S1_372326_IW3_20180815T151558_VV_6BD3-BURST"}, "372326_IW3", "IW3"),
        ({"properties": {"s1:burst_id": "t168_359582_ew2"}}, "t168_359582_ew2", "EW2"),
    ],
)
def test_tiles_of_bursts(members: dict[str, Any], tile: str, swath: str) -> None:
    (scene,) = parsed(changed("opera-rtc-s1", **members), "burst")
    assert [tile.source_id for tile in scene.tiles] == [tile]
    assert json.loads(scene.tiles[0].data)["swath_id"] == swath
    assert json.loads(scene.data)["tiles"] == {tile: {"swath_id": swath, "tile_nr": 0}}


@pytest.mark.parametrize(("tiling", "missing"), [("mgrs", "MGRS square"), ("burst", "burst id")])
def test_an_item_without_the_tile_is_refused_by_name(tiling: Tiling, missing: str) -> None:
    error = refused({"type": "FeatureCollection", "features": [ITEMS["naip"]]}, tiling)
    assert error.errors[0].field == "features[0].properties"
    assert missing in error.detail
    assert "ca_m_3712213_sw_10_060_20220519" in error.detail


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2024-02-06T05:34:58", "2024-02-06T05:34:58Z"),
        ("2024-02-06 05:34:58.5", "2024-02-06T05:34:58.5Z"),
        ("2024-02-06", "2024-02-06T00:00:00Z"),
        ("2024-02-06T05:34:58+0000", "2024-02-06T05:34:58Z"),
        ("2024-02-06T05:34:58+02:00", "2024-02-06T05:34:58+02:00"),
        (None, "0001-01-01T00:00:00Z"),
    ],
)
def test_dates_of_items(date: str | None, expected: str) -> None:
    assert data_of(changed(properties={"datetime": date}))["date"] == expected


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (changed(id=""), "id"),
        (changed(id=5), "id"),
        (changed(properties={"datetime": 5}), "properties.datetime"),
        (changed(properties={"datetime": "yesterday"}), "properties.datetime"),
        (changed(geometry={"type": "Point", "coordinates": [1, 2]}), "geometry.type"),
        (changed(geometry=[]), "geometry"),
        (changed(assets=[]), "assets"),
    ],
)
def test_errors_name_the_member_of_the_item(item: dict[str, Any], field: str) -> None:
    errors = refused({"type": "FeatureCollection", "features": [item]}).errors
    assert f"features[0].{field}" in {error.field for error in errors}
    assert all(error.field.startswith("features[0].") and ".data" not in error.field for error in errors)


def test_items_without_a_geometry_or_assets_are_scenes() -> None:
    (scene,) = parsed(changed("naip", geometry=None, assets=None))
    assert scene.geometry is None
    assert json.loads(scene.data)["metadata"] == {"assets": {}}


def test_items_of_early_versions_have_no_version() -> None:
    item = changed()
    del item["stac_version"]
    assert is_stac_item(item)
    assert len(parsed([item])) == 1


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
            lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_any_other_properties_give_a_scene(properties: dict[str, Any]) -> None:
    item = changed(properties={f"x:{name}": value for name, value in properties.items()})
    document = scene_of_item(item)
    assert all(isinstance(tag, (str, int, float)) for tag in document["data"]["tags"].values())

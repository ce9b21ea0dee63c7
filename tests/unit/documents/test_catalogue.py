"""Features of a Geocube catalogue, of 2022 (`tiles.json`) and of today (`tilesInventory.json`)."""

import json
from typing import Any

import pytest

from tests.paths import DATA
from workflow_monitor.documents.scene_lists import SceneOptions, parse_scenes
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import Link, NewScene

FILES = ("tiles.json", "tilesInventory.json")
#: names of today by the names of 2022
RENAMED = {
    "Tags": "tags",
    "Tiles": "tiles",
    "GeometryWKT": "wkt",
    "Data": "data",
    "Previous": "previous",
    "Reference": "reference",
    "AnxTime": "anx_time",
    "ID": "id",
}


def renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {RENAMED.get(name, name): renamed(member) for name, member in value.items()}
    return [renamed(member) for member in value] if isinstance(value, list) else value


def catalogue(file: str = "tiles.json", **changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((DATA / file).read_bytes())
    collection: dict[str, Any] = value.get("Scenes", value)
    collection["features"][0]["properties"].update(changes)
    return collection


def parsed(value: object, aoi: str = "DenmarkDemo", **options: Any) -> list[NewScene]:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_scenes(body, "application/geo+json", aoi, SceneOptions(**options))


def refused(value: object, aoi: str = "DenmarkDemo") -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        parsed(value, aoi)
    return refusal.value


@pytest.mark.parametrize("file", FILES)
def test_a_catalogue_is_read_oldest_scene_first(file: str) -> None:
    scenes = parsed((DATA / file).read_bytes(), retry_count=3)
    assert [scene.source_id[17:25] for scene in scenes] == ["20220111", "20220123", "20220204"]
    assert {scene.retry_count for scene in scenes} == {3}
    root, middle, leaf = (next(tile for tile in scene.tiles if tile.source_id == "A44_IW1_8951") for scene in scenes)
    assert (root.previous, root.reference) == (None, None)
    assert middle.previous == middle.reference == Link(scenes[0].source_id, "A44_IW1_8951")
    assert (leaf.previous, leaf.reference) == (Link(scenes[1].source_id, "A44_IW1_8951"), middle.reference)
    data = json.loads(scenes[2].data)
    assert data["tags"]["relativeOrbit"] == "44"
    assert data["tiles"]["A44_IW1_8979"] == {"swath_id": "IW1", "tile_nr": 5}
    tile_data = json.loads(leaf.data)
    assert tile_data.pop("is_retriable") is (file == "tilesInventory.json")
    assert tile_data == {"swath_id": "IW1", "tile_nr": 4, "graph_name": "S1BackscatterCoherence"}


@pytest.mark.parametrize("file", FILES)
def test_scenes_and_tiles_have_footprints_of_their_own(file: str) -> None:
    newest = parsed((DATA / file).read_bytes())[-1]
    assert newest.geometry is not None
    assert newest.geometry.origin == "catalogue"
    assert newest.geometry.bounds == (8.601999, 54.109722, 13.150673, 56.140678)
    tile = next(tile for tile in newest.tiles if tile.source_id == "A44_IW1_8951")
    assert tile.geometry is not None
    assert tile.geometry.bounds == (8.959417, 54.602843, 10.496274, 54.936948)


def test_both_generations_and_wrappers_give_the_same_scenes() -> None:
    old = parsed(catalogue())
    today = renamed(catalogue())
    assert parsed(today) == old
    assert parsed({"Scenes": catalogue()}) == parsed({"Scenes": today}) == old


def test_a_wrapped_list_of_scenes_to_ingest_is_read() -> None:
    scene = {"source_id": "a", "aoi": "A", "data": {"tiles": {"t": {}}}, "tiles": {"t": {}}}
    assert [scene.source_id for scene in parsed({"Scenes": [scene]}, "A")] == ["a"]
    assert refused({"Scenes": [{**scene, "aoi": 1}]}, "A").errors[0].field == "Scenes[0].aoi"
    assert "expected" in refused({"Scenes": 5}).detail.lower()


def test_without_its_own_text_a_scene_has_the_geometry_of_the_feature() -> None:
    scenes = parsed(catalogue(GeometryWKT=""))
    assert scenes[-1].geometry is not None
    assert scenes[-1].geometry.origin == "catalogue"


def test_data_tiles_are_filled_in_from_the_tiles() -> None:
    collection = catalogue()
    collection["features"][0]["properties"]["data"]["tiles"] = {}
    assert json.loads(parsed(collection)[-1].data)["tiles"]["A44_IW1_9007"] == {"swath_id": "IW1", "tile_nr": 6}


def test_a_catalogue_of_another_aoi_is_refused() -> None:
    error = refused(catalogue(), "Norway")
    assert error.errors[0].field == "features[0].properties.aoi"
    assert "expected 'Norway' as in the path, found 'DenmarkDemo'" in error.detail


def test_a_catalogue_that_names_no_aoi_goes_where_it_is_sent() -> None:
    collection = catalogue()
    for feature in collection["features"]:
        del feature["properties"]["aoi"]
    assert {scene.aoi for scene in parsed(collection, "Anywhere")} == {"Anywhere"}


@pytest.mark.parametrize(("file", "place"), [("scenes.json", "features"), ("scenesInventory.json", "Scenes.features")])
def test_an_inventory_without_tiles_is_refused(file: str, place: str) -> None:
    error = refused((DATA / file).read_bytes())
    assert [field.field for field in error.errors] == [f"{place}[{index}].properties.tiles" for index in range(3)]
    assert "tiles: is missing" in error.detail
    assert "an inventory of scenes has none" in error.detail


def test_features_that_are_ingested_already_are_left_out() -> None:
    assert [scene.source_id[17:25] for scene in parsed(catalogue(Ingested=True))] == ["20220111", "20220123"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source_id": ""}, "source_id"),
        ({"source_id": 5}, "source_id"),
        ({"data": {"date": "yesterday"}}, "data.date"),
        ({"data": {"colour": "red"}}, "data.colour"),
        ({"GeometryWKT": "POINT (1 1)"}, "GeometryWKT"),
        ({"Tiles": [{"SourceID": ""}]}, "Tiles[0].SourceID"),
        ({"Tiles": [{"SourceID": "a"}, {"SourceID": "a"}]}, "Tiles[1].SourceID"),
        ({"Tiles": [{"SourceID": "a", "Data": {"tile_nr": "4"}}]}, "Tiles[0].Data.tile_nr"),
        ({"Tiles": [{"SourceID": "a", "GeometryWKT": "x"}]}, "Tiles[0].GeometryWKT"),
        ({"Tiles": [{"SourceID": "a", "Previous": {"SceneID": "s", "SourceID": "a"}}]}, "Tiles[0]"),
        ({"Tiles": [{"SourceID": "a", "Previous": {"SceneID": 5}}]}, "Tiles[0].Previous.SceneID"),
    ],
)
@pytest.mark.parametrize("today", [False, True])
def test_the_invalid_field_of_a_feature_is_named(change: dict[str, Any], field: str, today: bool) -> None:
    collection = catalogue(**change)
    if today:
        collection = renamed(collection)
        for old, new in RENAMED.items():
            field = field.replace(old, new) if old != "ID" else field
    error = refused(collection)
    assert [error.field for error in error.errors] == [f"features[0].properties.{field}"]
    if "source_id" not in change:
        assert "S1A_IW_SLC__1SDV_20220204T170123_20220204T170150_041766_04F863_D5BE" in error.detail

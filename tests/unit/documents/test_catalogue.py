import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.paths import DATA
from workflow_monitor.documents.catalogue import parse_scenes
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import Link, NewScene

# The conformance material beside the checkout.
TILES = (DATA / "tiles.json").read_bytes()


def scene(name: str, previous: str = "", **changes: Any) -> dict[str, Any]:
    tile = "t" if previous else ""
    links = {
        "previous_tile_id": tile,
        "previous_scene_id": previous,
        "reference_tile_id": tile,
        "reference_scene_id": previous,
    }
    return {"source_id": name, "aoi": "A", "data": {"tiles": {"t": {}}}, "tiles": {"t": links}, **changes}


def read(*scenes: object, media_type: str = "application/json") -> list[str]:
    return [read.source_id for read in parse_scenes(json.dumps(scenes).encode(), media_type, "A")]


def refused(body: object, aoi: str = "A", media_type: str = "application/json") -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        parse_scenes(body if isinstance(body, bytes) else json.dumps(body).encode(), media_type, aoi)
    return refusal.value


def catalogue(**changes: Any) -> dict[str, Any]:
    collection: dict[str, Any] = json.loads(TILES)
    collection["features"][0]["properties"].update(changes)
    return collection


def test_a_catalogue_is_read_as_it_is_oldest_scene_first() -> None:
    scenes = parse_scenes(TILES, "application/geo+json", "DenmarkDemo", retry_count=3)
    assert [scene.source_id[17:25] for scene in scenes] == ["20220111", "20220123", "20220204"]
    assert {scene.retry_count for scene in scenes} == {3}
    root, middle, leaf = (next(tile for tile in scene.tiles if tile.source_id == "A44_IW1_8951") for scene in scenes)
    assert (root.previous, root.reference) == (None, None)
    assert middle.previous == middle.reference == Link(scenes[0].source_id, "A44_IW1_8951")
    assert (leaf.previous, leaf.reference) == (Link(scenes[1].source_id, "A44_IW1_8951"), middle.reference)
    data = json.loads(scenes[2].data)
    assert data["uuid"] == "d82774b2-b84a-4a90-a499-94e68f92abeb"
    assert data["tags"]["relativeOrbit"] == "44"
    assert data["tiles"]["A44_IW1_8979"] == {"swath_id": "IW1", "tile_nr": 5}
    assert leaf.data == ('{"swath_id":"IW1","tile_nr":4,"graph_name":"S1BackscatterCoherence","is_retriable":false}')


def test_the_footprints_of_a_catalogue_are_those_of_scene_and_tile() -> None:
    newest = parse_scenes(TILES, "", "DenmarkDemo")[-1]
    assert newest.geometry is not None
    assert newest.geometry.origin == "catalogue"
    assert newest.geometry.bounds == (8.601999, 54.109722, 13.150673, 56.140678)
    tile = next(tile for tile in newest.tiles if tile.source_id == "A44_IW1_8951")
    assert tile.geometry is not None
    assert tile.geometry.bounds == (8.959417, 54.602843, 10.496274, 54.936948)


def test_without_its_own_text_a_scene_has_the_geometry_of_the_feature() -> None:
    scenes = parse_scenes(json.dumps(catalogue(GeometryWKT="")).encode(), "", "DenmarkDemo")
    assert scenes[-1].geometry is not None
    assert scenes[-1].geometry.origin == "catalogue"


def test_data_tiles_are_filled_in_from_the_tiles() -> None:
    collection = catalogue()
    collection["features"][0]["properties"]["data"]["tiles"] = {}
    scenes = parse_scenes(json.dumps(collection).encode(), "", "DenmarkDemo")
    assert json.loads(scenes[-1].data)["tiles"]["A44_IW1_9007"] == {"swath_id": "IW1", "tile_nr": 6}


def test_a_catalogue_of_another_aoi_is_refused() -> None:
    error = refused(TILES, "Norway")
    assert error.errors[0].field == "features[0].properties.aoi"
    assert "expected 'Norway' as in the path, found 'DenmarkDemo'" in error.detail


def test_a_catalogue_that_names_no_aoi_goes_where_it_is_sent() -> None:
    collection = catalogue()
    for feature in collection["features"]:
        del feature["properties"]["aoi"]
    assert {scene.aoi for scene in parse_scenes(json.dumps(collection).encode(), "", "Anywhere")} == {"Anywhere"}


def test_a_catalogue_without_tiles_is_reported() -> None:
    error = refused((DATA / "scenes.json").read_bytes(), "DenmarkDemo")
    assert [field.field for field in error.errors] == [f"features[{index}].properties.Tiles" for index in range(3)]
    assert "Tiles: is missing" in error.detail


def test_scenes_as_the_server_lists_them_are_told_what_they_lack() -> None:
    error = refused((DATA / "example-scenes.json").read_bytes(), "DenmarkDemoS2")
    assert error.errors[0].field == "[0].tiles"
    assert "[1].tiles" in {field.field for field in error.errors}


def test_features_that_are_ingested_already_are_left_out() -> None:
    scenes = parse_scenes(json.dumps(catalogue(Ingested=True)).encode(), "", "DenmarkDemo")
    assert [scene.source_id[17:25] for scene in scenes] == ["20220111", "20220123"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source_id": ""}, "features[0].properties.source_id"),
        ({"source_id": 5}, "features[0].properties.source_id"),
        ({"data": {"date": "yesterday"}}, "features[0].properties.data.date"),
        ({"data": {"colour": "red"}}, "features[0].properties.data.colour"),
        ({"GeometryWKT": "POINT (1 1)"}, "features[0].properties.GeometryWKT"),
        ({"Tiles": [{"SourceID": ""}]}, "features[0].properties.Tiles[0].SourceID"),
        ({"Tiles": [{"SourceID": "a"}, {"SourceID": "a"}]}, "features[0].properties.Tiles[1].SourceID"),
        ({"Tiles": [{"SourceID": "a", "Data": {"tile_nr": "4"}}]}, "features[0].properties.Tiles[0].Data.tile_nr"),
        ({"Tiles": [{"SourceID": "a", "GeometryWKT": "x"}]}, "features[0].properties.Tiles[0].GeometryWKT"),
        (
            {"Tiles": [{"SourceID": "a", "Previous": {"SceneID": "s", "SourceID": "a"}}]},
            "features[0].properties.Tiles[0]",
        ),
    ],
)
def test_invalid_fields_of_a_feature_are_named(change: dict[str, Any], field: str) -> None:
    assert refused(catalogue(**change), "DenmarkDemo").errors[0].field == field


@pytest.mark.parametrize(
    ("features", "field"),
    [
        (None, "features"),
        ({}, "features"),
        ([5], "features[0]"),
        ([{}], "features[0].properties"),
        ([{"properties": None}], "features[0].properties"),
    ],
)
def test_features_that_are_none_are_refused(features: object, field: str) -> None:
    assert refused({"type": "FeatureCollection", "features": features}).errors[0].field == field


def test_scenes_come_after_those_that_they_link_to() -> None:
    assert read(scene("c", "b"), scene("b", "a"), scene("x"), scene("a")) == ["x", "a", "b", "c"]


def test_otherwise_scenes_go_by_date_and_then_as_they_came() -> None:
    late, early = ({"date": f"2022-01-0{day}T00:00:00Z", "tiles": {"t": {}}} for day in (5, 4))
    assert read(scene("a", data=late), scene("b", data=early), scene("c", data=late)) == ["b", "a", "c"]


def test_links_may_lead_out_of_the_body() -> None:
    assert read(scene("b", "elsewhere")) == ["b"]


def test_a_circle_is_refused_by_name() -> None:
    error = refused([scene("a", "c"), scene("b", "a"), scene("c", "b"), scene("d", "c")])
    assert all(f"'{name}'" in error.detail for name in "abc")
    assert "'d'" not in error.detail


def test_a_link_to_a_tile_that_the_other_scene_lacks_is_refused() -> None:
    other = scene("a", data={"tiles": {"u": {}}}, tiles={"u": {}})
    assert "'t', which 'a' lacks" in refused([scene("b", "a"), other]).detail


def test_a_scene_that_occurs_twice_is_refused() -> None:
    assert "'a' occurs twice: as scene 1 and 3" in refused([scene("a"), scene("b"), scene("a")]).detail


def test_errors_of_several_scenes_are_told_at_once_up_to_a_number() -> None:
    error = refused([scene("a", retry_count="2"), scene("b"), scene("c", status="NEW")])
    assert [field.field for field in error.errors] == ["[0].retry_count", "[2].status"]
    assert len(refused([scene("a", retry_count="2")] * 1000).errors) == 20


@pytest.mark.parametrize(
    "media_type", ["application/x-ndjson", "application/jsonlines; charset=utf-8", "text/plain", ""]
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n"])
def test_one_scene_a_line(media_type: str, end: str) -> None:
    body = ("\n".join(json.dumps(scene(name)) for name in "ab") + end).encode()
    assert [scene.source_id for scene in parse_scenes(body, media_type, "A")] == ["a", "b"]


def test_a_line_that_is_wrong_is_numbered() -> None:
    good = json.dumps(scene("a"))
    error = refused(
        f"{good}\n\n{json.dumps(scene('b', retry_count='2'))}\n".encode(), media_type="application/x-ndjson"
    )
    assert error.errors[0].field == "line 3.retry_count"
    assert refused(f"{good}\n{{".encode(), media_type="application/x-ndjson").errors[0].field == "line 2"


def test_a_single_scene_and_none_at_all() -> None:
    assert [scene.source_id for scene in parse_scenes(json.dumps(scene("a"), indent=1).encode(), "", "A")] == ["a"]
    assert read() == []


@pytest.mark.parametrize("body", [b"", b"5", b"null", b'"a"', b"{}", b'{"type": "Feature"}', b"[1]", b"[[]]", b"{"])
def test_other_bodies_are_refused(body: bytes) -> None:
    assert refused(body).detail


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=10))
def test_any_links_are_ordered_or_refused(links: list[tuple[int, int]]) -> None:
    previous = dict(links)
    body = json.dumps(
        [scene(f"s{number}", f"s{previous[number]}" if number in previous else "") for number in range(10)]
    )
    try:
        scenes = parse_scenes(body.encode(), "", "A")
    except InvalidInput as error:
        assert "circle" in error.detail  # noqa: PT017
        return
    names = [scene.source_id for scene in scenes]
    assert all(_links_lead_backwards(scene, names[:index]) for index, scene in enumerate(scenes))
    assert len(names) == 10


def _links_lead_backwards(scene: NewScene, before: list[str]) -> bool:
    return all(tile.previous is None or tile.previous.scene in before for tile in scene.tiles)

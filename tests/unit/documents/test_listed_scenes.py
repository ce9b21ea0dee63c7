"""Scenes that the server lists with their tiles are the scenes that were added."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.documents.items import SceneWithTiles, TileOfScene
from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.documents.scene_lists import parse_scenes
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import Geometry, Link, NewScene, NewTile

SQUARE = {"type": "Polygon", "coordinates": [[[10, 55], [11, 55], [11, 56], [10, 56], [10, 55]]]}
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
data = st.fixed_dictionaries(
    {},
    optional={
        "date": st.just("2022-01-04T10:34:31.5Z"),
        "graph_name": names,
        "metadata": st.dictionaries(names, st.none() | st.lists(st.integers(-9, 9)) | names, max_size=3),
        "tags": st.dictionaries(names, names | st.integers(-9, 9) | st.booleans(), max_size=3),
        "geometry": st.just(SQUARE),
    },
)
tile_data = st.fixed_dictionaries({"swath_id": names, "tile_nr": st.integers(0, 9), "graph_name": names})


def listed(scene: NewScene) -> str:
    """Return the document of a scene as the server lists it."""
    tiles = {tile.source_id: tile_of_scene(tile) for tile in scene.tiles}
    geometry, origin, note = footprint(scene.geometry)
    document = SceneWithTiles(
        id=7,
        source_id=scene.source_id,
        aoi=scene.aoi,
        data=msgspec.Raw(scene.data.encode()),
        RetryCountDown=scene.retry_count,
        geometry=geometry,
        geometry_origin=origin,
        geometry_note=note,
        tiles=msgspec.Raw(msgspec.json.encode(tiles)),
    )
    return msgspec.json.encode(document).decode()


def tile_of_scene(tile: NewTile) -> TileOfScene:
    previous, reference = tile.previous or Link("", ""), tile.reference or Link("", "")
    links = (previous.tile, previous.scene, reference.tile, reference.scene)
    return TileOfScene(*links, msgspec.Raw(tile.data.encode()), *footprint(tile.geometry))


def footprint(geometry: Geometry | None) -> tuple[Any, Any, Any]:
    if geometry is None:
        return None, None, None
    return msgspec.Raw(geometry.geojson.encode()), geometry.origin, geometry.note or None


@given(names, data, st.dictionaries(names, tile_data, min_size=1, max_size=3), names, st.integers(0, 5))
def test_a_listed_scene_is_the_scene_that_was_added(
    name: str, fields: dict[str, Any], tiles: dict[str, Any], other: str, retries: int
) -> None:
    links = dict.fromkeys(("previous_scene_id", "previous_tile_id", "reference_scene_id", "reference_tile_id"), other)
    document = {
        "source_id": name,
        "aoi": "A",
        "data": {**fields, "tiles": {tile: {} for tile in tiles}},
        "tiles": {tile: {"data": value, **(links if other != name else {})} for tile, value in tiles.items()},
        "retry_count": retries,
    }
    scene = parse_scene(document, "A")
    assert parse_scenes(f"[{listed(scene)}]".encode(), "application/json", "A") == [scene]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tiles": {}}, "[0].tiles"),
        ({"tiles": None}, "[0].tiles"),
        ({"tiles": {"t": {"geometry": SQUARE, "geometry_origin": 5}}}, "[0].tiles.t.geometry_origin"),
        ({"tiles": {"t": {"geometry": {}, "geometry_origin": "catalogue"}}}, "[0].tiles.t.geometry.type"),
        ({"geometry": {}, "geometry_origin": "catalogue"}, "[0].geometry.type"),
        ({"data": {"colour": "red"}}, "[0].data.colour"),
        ({"RetryCountDown": "3"}, "[0].RetryCountDown"),
    ],
)
def test_the_invalid_field_of_a_listed_scene_is_named(change: dict[str, Any], field: str) -> None:
    scene = {
        "source_id": "a",
        "aoi": "Elsewhere",
        "data": {"tiles": {"t": {}}},
        "status": "DONE",
        "RetryCountDown": -2,
        "tiles": {"t": {}},
    }
    assert parse_scenes(json.dumps([scene]).encode(), "", "A")[0].retry_count == 0
    with pytest.raises(InvalidInput) as refusal:
        parse_scenes(json.dumps([scene | change]).encode(), "", "A")
    assert refusal.value.errors[0].field == field


def test_a_scene_to_ingest_may_not_have_a_status() -> None:
    scene = {"source_id": "a", "aoi": "A", "data": {"tiles": {"t": {}}}, "tiles": {"t": {}}, "status": "NEW"}
    with pytest.raises(InvalidInput, match="status: is not a field here"):
        parse_scenes(json.dumps([scene]).encode(), "", "A")

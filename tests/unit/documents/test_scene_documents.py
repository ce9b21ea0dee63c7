import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.paths import DATA
from workflow_monitor.documents.aoi_names import check_aoi_name
from workflow_monitor.documents.scene_documents import parse_scene, parse_scene_data, parse_tile_data
from workflow_monitor.documents.strict_json import merge_patch, read_json
from workflow_monitor.documents.validation import MAX_ERRORS
from workflow_monitor.domain.errors import DocumentTooLarge, InvalidInput
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Link, NewScene

# The conformance material beside the checkout.

S2 = "S2A_MSIL1C_20220104T103431_N0301_R108_T32UNG_20220104T123507"
EMPTY_SCENE_DATA = (
    '{"date":"0001-01-01T00:00:00Z","graph_name":"","graph_config":null,"record_id":"",'
    '"metadata":null,"is_retriable":false,"storage_uri":""}'
)
EMPTY_TILE_DATA = '{"swath_id":"","tile_nr":0,"graph_name":"","is_retriable":false}'
SQUARE = {"type": "Polygon", "coordinates": [[[9, 54], [10, 54], [10, 55], [9, 55], [9, 54]]]}


def scene(**changes: Any) -> dict[str, Any]:
    return {
        "source_id": S2,
        "aoi": "Denmark",
        "data": {"date": "2022-01-04T10:34:31.024Z", "tiles": {"tile": {"swath_id": "IW1", "tile_nr": 4}}},
        "tiles": {"tile": {"data": {"swath_id": "IW1", "tile_nr": 4, "graph_name": "g.json", "is_retriable": True}}},
        "retry_count": 2,
        **changes,
    }


def fields_refused(value: object, aoi: str = "Denmark") -> list[str]:
    with pytest.raises(InvalidInput) as refusal:
        parse_scene(value, aoi)
    assert all(error.message for error in refusal.value.errors)
    return [error.field for error in refusal.value.errors]


def test_a_scene_is_read() -> None:
    read = parse_scene(scene(), "Denmark")
    assert (read.source_id, read.aoi, read.retry_count) == (S2, "Denmark", 2)
    assert read.date == datetime(2022, 1, 4, 10, 34, 31, 24000, UTC)
    assert json.loads(read.data)["tiles"] == {"tile": {"swath_id": "IW1", "tile_nr": 4}}
    [tile] = read.tiles
    assert tile.source_id == "tile"
    assert tile.data == '{"swath_id":"IW1","tile_nr":4,"graph_name":"g.json","is_retriable":true}'
    assert (tile.previous, tile.reference, tile.geometry) == (None, None, None)
    assert read.geometry is not None
    assert read.geometry.origin == "mgrs"


def test_missing_fields_have_their_zero_values() -> None:
    read = parse_scene({"source_id": "a", "aoi": "b", "data": {"tiles": {"t": {}}}, "tiles": {"t": {}}}, "b")
    assert read.data == EMPTY_SCENE_DATA.replace(
        '"graph_name"', '"tiles":{"t":{"swath_id":"","tile_nr":0}},"graph_name"', 1
    )
    assert read.tiles[0].data == EMPTY_TILE_DATA
    assert (read.date, read.geometry, read.retry_count) == (None, None, 0)


def test_null_is_as_good_as_missing() -> None:
    data = dict.fromkeys(
        [
            "uuid",
            "date",
            "graph_name",
            "graph_config",
            "record_id",
            "instances_id",
            "metadata",
            "is_retriable",
            "storage_uri",
            "tags",
            "geometry",
            "wkt",
        ]
    )
    value = {"id": None, "source_id": "a", "aoi": "b", "data": {**data, "tiles": {"t": None}}, "tiles": {"t": None}}
    bare = {"source_id": "a", "aoi": "b", "data": {"tiles": {"t": {}}}, "tiles": {"t": {}}}
    assert parse_scene({**value, "retry_count": None}, "b") == parse_scene(bare, "b")


def test_the_data_of_the_example_is_written_as_it_is() -> None:
    for example in json.loads((DATA / "example-scenes.json").read_text()):
        text = parse_scene_data(example["data"]).text
        assert json.dumps(json.loads(text)) == json.dumps(example["data"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": 12}, "id"),
        ({"id": [12]}, "id"),
        ({"source_id": 12}, "source_id"),
        ({"source_id": ""}, "source_id"),
        ({"source_id": None}, "source_id"),
        ({"aoi": 12}, "aoi"),
        ({"aoi": "Norway"}, "aoi"),
        ({"aoi": None}, "aoi"),
        ({"data": []}, "data"),
        ({"tiles": []}, "tiles"),
        ({"tiles": {}}, "tiles"),
        ({"tiles": {"tile": []}}, "tiles.tile"),
        ({"tiles": {"tile": {"data": "IW1"}}}, "tiles.tile.data"),
        ({"tiles": {"tile": {"data": {"tile_nr": "4"}}}}, "tiles.tile.data.tile_nr"),
        ({"tiles": {"tile": {"data": {"tile_nr": 2**63}}}}, "tiles.tile.data.tile_nr"),
        ({"tiles": {"tile": {"data": {"is_retriable": 0}}}}, "tiles.tile.data.is_retriable"),
        ({"tiles": {"tile": {"previous_tile_id": 1}}}, "tiles.tile.previous_tile_id"),
        ({"tiles": {"tile": {"status": "NEW"}}}, "tiles.tile.status"),
        ({"retry_count": "2"}, "retry_count"),
        ({"retry_count": 2.0}, "retry_count"),
        ({"retry_count": True}, "retry_count"),
        ({"retry_count": 2**31}, "retry_count"),
        ({"retry_count": -(2**31) - 1}, "retry_count"),
        ({"status": "DONE"}, "status"),
        ({"Source_ID": "a"}, "Source_ID"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change: dict[str, object], field: str) -> None:
    assert fields_refused(scene(**change)) == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"uuid": "4c0e52b5"}, "uuid"),
        ({"date": "yesterday"}, "date"),
        ({"date": 20220104}, "date"),
        ({"date": ""}, "date"),
        ({"tiles": {"tile": "IW1"}}, "tiles.tile"),
        ({"tiles": {"tile": {"tile_nr": 4.5}}}, "tiles.tile.tile_nr"),
        ({"graph_name": 1}, "graph_name"),
        ({"graph_config": "{}"}, "graph_config"),
        ({"graph_config": {"snap": 8}}, "graph_config.snap"),
        ({"instances_id": {"B02": 2}}, "instances_id.B02"),
        ({"metadata": []}, "metadata"),
        ({"is_retriable": 1}, "is_retriable"),
        ({"storage_uri": False}, "storage_uri"),
        ({"tags": {"area": {"name": "Fyn"}}}, "tags.area"),
        ({"geometry": "POLYGON"}, "geometry"),
        ({"geometry": {"type": "Point", "coordinates": [9, 54]}}, "geometry.type"),
        ({"wkt": "POINT (9 54)"}, "wkt"),
        ({"cloud_cover": 12}, "cloud_cover"),
    ],
)
def test_a_field_of_the_data_that_does_not_fit_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_scene_data(change)
    assert [error.field for error in refusal.value.errors] == [field]
    value = scene(data={**scene()["data"], **change})
    assert fields_refused(value) == [f"data.{field}"]


def test_several_fields_are_named_at_once() -> None:
    value = scene(retry_count="2", status="NEW", data={"is_retriable": "yes", "date": 1})
    assert fields_refused(value) == ["data.date", "data.is_retriable", "retry_count", "status"]


def test_a_message_says_what_was_found_and_what_was_expected() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_scene(scene(retry_count="2"), "Denmark")
    expected = "retry_count: expected an integer from -2147483648 to 2147483647, found '2'."
    assert refusal.value.detail == expected


def test_a_scene_as_the_server_lists_it_lacks_tiles() -> None:
    [example, _] = json.loads((DATA / "example-scenes.json").read_text())
    fields = fields_refused(example, example["aoi"])
    assert fields[0] == "tiles"
    assert set(fields) == {"tiles", "status", "message", "RetryCountDown"}
    with pytest.raises(InvalidInput, match="tiles: is missing; expected for each tile an object of previous_tile_id"):
        parse_scene(example, example["aoi"])


@pytest.mark.parametrize("value", [None, {}])
def test_nothing_is_no_scene(value: object) -> None:
    assert fields_refused(value) == ["tiles", "source_id", "aoi"]


@pytest.mark.parametrize("value", [[], "text", 12, True])
def test_a_scene_must_be_an_object(value: object) -> None:
    assert fields_refused(value) == [""]


def test_the_names_of_tiles_are_those_in_the_data() -> None:
    tiles: dict[str, Any] = {"a": {}, "b": {}}
    assert fields_refused(scene(data={"tiles": {"b": {}, "c": {}}}, tiles=tiles)) == ["data.tiles.a", "tiles.c"]
    assert fields_refused(scene(data={}, tiles=tiles)) == ["data.tiles.a", "data.tiles.b"]


def with_links(*links: tuple[str, dict[str, str]]) -> dict[str, Any]:
    return scene(data={"tiles": {name: {} for name, _ in links}}, tiles=dict(links))


def link(tile: str, scene_id: str) -> dict[str, str]:
    return {
        "previous_tile_id": tile,
        "previous_scene_id": scene_id,
        "reference_tile_id": tile,
        "reference_scene_id": scene_id,
    }


def test_a_link_is_read() -> None:
    [tile] = parse_scene(with_links(("b", link("a", "other"))), "Denmark").tiles
    assert tile.previous == tile.reference == Link(scene="other", tile="a")


@pytest.mark.parametrize("missing", [1, 3, 5, 7, 14])
def test_half_a_link_is_refused(missing: int) -> None:
    half = {key: value for bit, (key, value) in enumerate(link("a", "other").items()) if not missing >> bit & 1}
    with pytest.raises(InvalidInput, match="half a link") as refusal:
        parse_scene(with_links(("b", half)), "Denmark")
    assert [error.field for error in refusal.value.errors] == ["tiles.b"]


def test_tiles_that_follow_tiles_of_their_own_scene_come_after_them() -> None:
    value = with_links(("c", link("b", S2)), ("b", link("a", S2)), ("a", link("", "")))
    assert [tile.source_id for tile in parse_scene(value, "Denmark").tiles] == ["a", "b", "c"]


def test_tiles_in_a_circle_are_refused_by_name() -> None:
    value = with_links(("a", link("b", S2)), ("b", link("a", S2)))
    with pytest.raises(InvalidInput, match="circle: 'a', 'b'"):
        parse_scene(value, "Denmark")
    with pytest.raises(InvalidInput, match="circle: 'a'"):
        parse_scene(with_links(("a", link("a", S2))), "Denmark")
    with pytest.raises(InvalidInput, match="leads to the tile 'x' of its own scene"):
        parse_scene(with_links(("a", link("x", S2))), "Denmark")


def test_uuid_tags_and_geometry_are_kept_as_given() -> None:
    given_data = {
        "uuid": "4c0e52b5-c96d-5bfc-b0f0-c78ed9c50d48",
        "tags": {"orbit": "44", "cloud": 12.5, "day": True, "nothing": None},
        "geometry": SQUARE,
        "wkt": "POLYGON ((0 0, 1 0, 1 1, 0 0))",
    }
    data = parse_scene_data(given_data)
    assert {key: value for key, value in json.loads(data.text).items() if key in given_data} == given_data
    assert next(iter(json.loads(data.text))) == "uuid"
    assert data.geometry is not None
    assert (data.geometry.origin, data.geometry.bounds) == ("geometry", (9, 54, 10, 55))
    only_wkt = parse_scene_data({"wkt": given_data["wkt"]})
    assert only_wkt.geometry is not None
    assert only_wkt.geometry.origin == "wkt"


def test_numbers_of_the_metadata_are_64_bit_floats() -> None:
    body = b'{"metadata": {"a": 9007199254740993, "b": -0.0, "c": [1.0, {"d": 0.1}], "e": true, "f": "1"}}'
    text = parse_scene_data(read_json(body)).text
    assert '"metadata":{"a":9007199254740992' in text
    assert '"b":0,"c":[1,{"d":0.1}],"e":true,"f":"1"}' in text


def test_data_is_replaced_and_nulls_are_emptiness() -> None:
    assert parse_scene_data({}).text == EMPTY_SCENE_DATA
    assert parse_scene_data(None).text == EMPTY_SCENE_DATA
    assert parse_tile_data(None).text == EMPTY_TILE_DATA
    assert parse_tile_data({"tile_nr": -4}).text == EMPTY_TILE_DATA.replace("0", "-4")


@pytest.mark.parametrize("fields", [[], "text", 12, {"swath": ""}, {"tile_nr": 4.5}, {"is_retriable": 1}])
def test_tile_data_that_does_not_fit_is_refused(fields: object) -> None:
    with pytest.raises(InvalidInput):
        parse_tile_data(fields)


def test_a_patch_of_data_is_checked_as_the_whole() -> None:
    before = json.loads(parse_scene_data(scene()["data"]).text)
    after = parse_scene_data(merge_patch(before, {"storage_uri": "gs://bucket", "date": None})).text
    assert json.loads(after) == {**before, "storage_uri": "gs://bucket", "date": "0001-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "name",
    [
        "Denmark Demo S2",
        "inner  blanks",
        'Plan "B"',
        "côte d'Azur",
        "Århus 東京 🛰",
        "north\\south",
        "two\nlines",
        "tab\tstop",
        "<b>Denmark</b> &amp;",
        "100% sure",
        "a/b",
        "..dots..",
        "-dash",
        "; drop table aoi; --",
        "x" * DEFAULTS.max_name_length,
    ],
)
def test_names_of_aois_may_have_nearly_anything(name: str) -> None:
    check_aoi_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\u3000\t",
        "\u200b",
        "\n",
        "Denmark*",
        "D?",
        "DENMARK(?i)",
        "a\0b",
        ".",
        "..",
        "\ud800",
        "x" * (DEFAULTS.max_name_length + 1),
    ],
)
def test_names_that_could_not_be_told_or_reached_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_aoi_name(name)
    assert len(refusal.value.detail) < 300


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
paths = st.sampled_from(
    [("id",), ("source_id",), ("aoi",), ("data",), ("tiles",), ("retry_count",), ("other",), ("tiles", "tile")]
    + [("data", key) for key in json.loads(EMPTY_SCENE_DATA)]
    + [("data", key) for key in ("uuid", "tags", "geometry", "wkt", "tiles", "instances_id")]
    + [("tiles", "tile", "data"), ("tiles", "tile", "previous_tile_id"), ("data", "tiles", "tile")]
)


@settings(deadline=None)
@given(paths, anything)
def test_a_scene_with_anything_anywhere_is_read_or_refused(path: tuple[str, ...], value: object) -> None:
    changed = copy.deepcopy(scene())
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    try:
        read = parse_scene(changed, "Denmark")
    except InvalidInput as error:
        assert error.errors  # noqa: PT017
        assert len(error.detail) < 1000  # noqa: PT017
        return
    assert isinstance(read, NewScene)
    once = parse_scene_data(json.loads(read.data)).text
    assert once == read.data


def test_data_beyond_the_limit_are_refused() -> None:
    limits = Limits(max_data_length=2_000)
    assert len(parse_scene_data({"storage_uri": "x" * 1_500}, limits=limits).text) < 2_000
    with pytest.raises(DocumentTooLarge, match=r"data: would have \d+ bytes as JSON; .*2000 \(max_data_length\)"):
        parse_scene_data({"storage_uri": "x" * 2_000}, "data", limits)
    with pytest.raises(DocumentTooLarge, match="max_data_length"):
        parse_tile_data({"graph_name": "é" * 1_000}, limits=limits)
    large = scene()
    next(iter(large["tiles"].values()))["data"] = {"graph_name": "x" * 2_000}
    with pytest.raises(DocumentTooLarge, match=r"^tiles\..*\.data: "):
        parse_scene(large, large["aoi"], limits=limits)


def test_a_refusal_lists_a_limited_number_of_errors() -> None:
    without_tiles = {**scene(), "data": {"tiles": {f"t{n}": {} for n in range(10_000)}}}
    with pytest.raises(InvalidInput) as refusal:
        parse_scene(without_tiles, without_tiles["aoi"])
    assert len(refusal.value.errors) == MAX_ERRORS

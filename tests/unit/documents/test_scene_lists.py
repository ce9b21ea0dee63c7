import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.paths import DATA
from workflow_monitor.documents.scene_lists import InvalidScene, parse_scenes, parse_valid_scenes
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import NewScene


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


def test_scenes_as_the_server_lists_them_are_told_what_they_lack() -> None:
    error = refused((DATA / "example-scenes.json").read_bytes(), "DenmarkDemoS2")
    assert error.errors[0].field == "[0].tiles"
    assert "[1].tiles" in {field.field for field in error.errors}


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


def skipped(*scenes: object) -> tuple[list[str], list[InvalidScene]]:
    valid, invalid = parse_valid_scenes(json.dumps(scenes).encode(), "application/json", "A")
    return [scene.source_id for scene in valid], invalid


def test_errors_name_the_scene() -> None:
    error = refused([scene("a"), scene("b", retry_count="2")])
    assert error.errors[0].message == "expected an integer from -2147483648 to 2147483647, found '2' (scene 'b')"


def test_an_error_without_a_field_is_kept() -> None:
    body = f'{json.dumps(scene("a"))}\n{{"source_id": "b", "retry_count": 1e999}}\n'.encode()
    assert refused(body, media_type="application/x-ndjson").errors[0].field == "line 2"


def test_invalid_scenes_are_skipped() -> None:
    valid, invalid = skipped(scene("a"), scene("b", retry_count="2"), 5, scene("c", "a"), {"source_id": "d"})
    assert valid == ["a", "c"]
    assert [(one.field, one.source_id) for one in invalid] == [("[1]", "b"), ("[2]", ""), ("[4]", "d")]
    assert invalid[0].reason() == "[1].retry_count: expected an integer from -2147483648 to 2147483647, found '2'"


def test_scenes_that_link_to_a_skipped_scene_are_skipped() -> None:
    valid, invalid = skipped(scene("d", "c"), scene("c", "b"), scene("b", retry_count="2"), scene("x"), scene("e", "d"))
    assert valid == ["x"]
    assert [one.source_id for one in invalid] == ["b", "c", "d", "e"]
    assert invalid[1].reason() == "[1].tiles.t: leads to the scene 'b', which is invalid"


def test_repeated_scenes_wrong_links_and_circles_are_skipped() -> None:
    lacking = scene("l", "a", tiles={"t": {**scene("l", "a")["tiles"]["t"], "previous_tile_id": "u"}})
    circle = [scene("p", "q"), scene("q", "p"), scene("r", "q")]
    valid, invalid = skipped(scene("a"), scene("a"), lacking, scene("m", "l"), *circle, scene("b", "a"))
    assert valid == ["a", "b"]
    assert {one.source_id for one in invalid} == {"a", "l", "m", "p", "q", "r"}
    assert "occurs twice" in invalid[0].reason()


def test_a_long_chain_behind_a_skipped_scene() -> None:
    scenes = [scene("s0", retry_count="2"), *(scene(f"s{index}", f"s{index - 1}") for index in range(1, 3000))]
    valid, invalid = skipped(*reversed(scenes))
    assert valid == []
    assert len(invalid) == 3000


def test_lines_that_are_no_json_are_skipped() -> None:
    body = f"{json.dumps(scene('a'))}\n{{\n{json.dumps(scene('b'))}".encode()
    valid, invalid = parse_valid_scenes(body, "application/x-ndjson", "A")
    assert [one.source_id for one in valid] == ["a", "b"]
    assert [one.field for one in invalid] == ["line 2"]


@pytest.mark.parametrize("body", [b"5", b"{}", b"{", b'{"type": "FeatureCollection", "features": 5}'])
def test_a_body_without_scenes_is_refused_even_so(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_valid_scenes(body, "application/json", "A")


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.dictionaries(st.integers(0, 11), st.integers(0, 11)))
def test_skipping_leaves_a_list_without_errors(order: list[int], broken: set[int], previous: dict[int, int]) -> None:
    scenes = [
        scene(
            f"s{index}",
            f"s{previous[index]}" if previous.get(index, index) != index else "",
            **({"retry_count": "2"} if index in broken else {}),
        )
        for index in order
    ]
    valid, invalid = skipped(*scenes)
    assert sorted([*valid, *(one.source_id for one in invalid)]) == sorted(f"s{index}" for index in order)
    assert read(*(one for one in scenes if one["source_id"] in valid)) == valid


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda values: (
            st.lists(values, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "features",
                        "Scenes",
                        "source_id",
                        "id",
                        "properties",
                        "stac_version",
                        "assets",
                        "status",
                        "RetryCountDown",
                        "tiles",
                        "data",
                        "geometry",
                        "items",
                        "value",
                        "umm",
                    ]
                )
                | st.text(max_size=3),
                values | st.sampled_from(["Feature", "FeatureCollection", "Polygon"]),
                max_size=5,
            )
        ),
        max_leaves=30,
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    body = json.dumps(value).encode()
    try:
        parse_scenes(body, "", "A")
    except InvalidInput as error:
        assert error.detail  # noqa: PT017


def test_blank_lines_do_not_multiply_the_memory_of_a_body() -> None:
    body = b"\n" * 2_000_000
    tracemalloc.start()
    try:
        assert parse_scenes(body, "application/x-ndjson", "A") == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(body)

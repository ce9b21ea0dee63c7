import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_monitor.documents.footprints import footprint, mgrs_square, parse_geojson, parse_wkt
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.limits import DEFAULTS

SQUARE: list[list[float]] = [[9, 54], [10, 54], [10, 55], [9, 55], [9, 54]]


def polygon(*rings: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": list(rings)}


def decoded(geojson: str) -> Any:
    return json.loads(geojson)


def test_a_polygon_is_read() -> None:
    geometry = parse_geojson(polygon(SQUARE), "geometry")
    assert decoded(geometry.geojson) == polygon(SQUARE)
    assert geometry.bounds == (9.0, 54.0, 10.0, 55.0)
    assert geometry.origin == "geometry"


def test_the_same_area_in_wkt() -> None:
    geometry = parse_wkt("POLYGON ((9 54, 10 54, 10 55, 9 55, 9 54))", "wkt")
    assert decoded(geometry.geojson) == polygon(SQUARE)
    assert geometry.origin == "wkt"


def test_rings_follow_the_right_hand_rule() -> None:
    hole = [[9.2, 54.2], [9.8, 54.2], [9.8, 54.8], [9.2, 54.2]]
    read = decoded(parse_geojson(polygon(SQUARE[::-1], hole), "geometry").geojson)
    assert read["coordinates"][0] in (SQUARE, [*SQUARE[2:], *SQUARE[1:3]])
    assert read["coordinates"][1] == hole[::-1]


def test_heights_are_kept() -> None:
    high = [[*position, 12.5] for position in SQUARE]
    assert decoded(parse_geojson(polygon(high), "geometry").geojson)["coordinates"] == [high]


def test_a_multipolygon_is_read() -> None:
    other = [[x + 5, y] for x, y in SQUARE]
    value = {"type": "MultiPolygon", "coordinates": [[SQUARE], [other]]}
    assert decoded(parse_geojson(value, "geometry").geojson) == value
    assert parse_geojson(value, "geometry").bounds == (9, 54, 15, 55)


def test_parts_that_overlap_are_one_area() -> None:
    other = [[x + 0.5, y] for x, y in SQUARE]
    read = parse_geojson({"type": "MultiPolygon", "coordinates": [[SQUARE], [other]]}, "geometry")
    assert decoded(read.geojson)["type"] == "Polygon"
    assert read.bounds == (9, 54, 10.5, 55)


def test_an_area_across_the_antimeridian_is_cut() -> None:
    ring = [[179.0, -17.0], [-179.0, -17.0], [-179.0, -16.0], [179.0, -16.0], [179.0, -17.0]]
    geometry = parse_geojson(polygon(ring), "geometry")
    read = decoded(geometry.geojson)
    assert read["type"] == "MultiPolygon"
    spans = sorted(
        (min(x for x, _ in part[0]), max(x for x, _ in part[0]), min(y for _, y in part[0]), max(y for _, y in part[0]))
        for part in read["coordinates"]
    )
    assert spans == [(-180, -179, -17, -16), (179, 180, -17, -16)]
    assert geometry.bounds == (-180, -17, 180, -16)


def test_an_area_across_the_antimeridian_that_starts_in_the_west_is_the_same() -> None:
    west = parse_wkt("POLYGON((-179 -17, -179 -16, 179 -16, 179 -17, -179 -17))", "wkt")
    assert west.bounds == (-180.0, -17.0, 180.0, -16.0)
    assert len(decoded(west.geojson)["coordinates"]) == 2


def test_a_hole_goes_with_the_piece_that_it_is_in() -> None:
    ring = [[178.0, 0.0], [-178.0, 0.0], [-178.0, 4.0], [178.0, 4.0], [178.0, 0.0]]
    hole = [[-179.5, 1.0], [-179.5, 2.0], [-179.0, 2.0], [-179.0, 1.0], [-179.5, 1.0]]
    read = decoded(parse_geojson(polygon(ring, hole), "geometry").geojson)
    assert sorted(len(part) for part in read["coordinates"]) == [1, 2]


def test_an_area_around_a_pole_reaches_it() -> None:
    ring = [[x, -80.0] for x in (-180.0, -90.0, 0.0, 90.0)] + [[179.0, -80.0], [-180.0, -80.0]]
    geometry = parse_geojson(polygon(ring), "geometry")
    assert geometry.bounds == (-180, -90, 180, -80)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([], "geometry"),
        ("POLYGON", "geometry"),
        ({}, "geometry.type"),
        ({"type": "Point", "coordinates": [9, 54]}, "geometry.type"),
        ({"type": "Feature", "geometry": polygon(SQUARE)}, "geometry.type"),
        ({"type": ["Polygon"], "coordinates": [SQUARE]}, "geometry.type"),
        ({"type": "Polygon"}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": []}, "geometry.coordinates"),
        ({"type": "MultiPolygon", "coordinates": []}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": [SQUARE], "crs": {}}, "geometry.crs"),
        (polygon(SQUARE[:3]), "geometry.coordinates[0]"),
        (polygon([*SQUARE[:4], [9, 54.5]]), "geometry.coordinates[0]"),
        (polygon([*SQUARE[:2], ["10", 55], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [10], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [10, 55, 0], *SQUARE[3:]]), "geometry.coordinates[0]"),
        (polygon([*SQUARE[:2], [190, 55], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [10, 91], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [float("nan"), 5], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [float("inf"), 5], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE[1:]]]}, "geometry.coordinates[1][0]"),
        (polygon([[9, 54], [10, 55], [10, 54], [9, 55], [9, 54]]), "geometry"),
        (polygon([[9, 54]] * 5), "geometry"),
        (polygon([[9, 54]] * (DEFAULTS.max_positions + 1)), "geometry.coordinates[0]"),
    ],
)
def test_what_is_no_area_is_refused_at_its_place(value: object, place: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_geojson(value, "geometry")
    assert [error.field for error in refusal.value.errors] == [place]
    assert len(refusal.value.detail) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "POLYGON",
        "POLYGON EMPTY",
        "MULTIPOLYGON (EMPTY, ((9 54, 10 54, 10 55, 9 54)))",
        "POINT (9 54)",
        "SRID=4326;POLYGON ((9 54, 10 54, 10 55, 9 54))",
        "POLYGON ((9 54, 10 54, 10 55))",
        "POLYGON ((9 54, 10 54, 9 54))",
        "POLYGON ((9 54, 10 55, 10 54, 9 55, 9 54))",
        "POLYGON ((54 9, 54 10, 55 10, 540 9, 54 9))",
        "POLYGON ((nan nan, 10 54, 10 55, nan nan))",
        "POLYGON ((inf 54, 10 54, 10 55, inf 54))",
        "POLYGON Z ((9 54 nan, 10 54 nan, 10 55 nan, 9 54 nan))",
        "GEOMETRYCOLLECTION (POLYGON ((9 54, 10 54, 10 55, 9 54)))",
        "CURVEPOLYGON ((9 54, 10 54, 10 55, 9 54))",
        "x" * 10_000_000,
    ],
)
def test_what_is_no_area_in_wkt_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_wkt(text, "data.wkt")
    assert [error.field for error in refusal.value.errors] == ["data.wkt"]
    assert len(refusal.value.detail) < 500


def test_a_crossing_is_told_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"9\.5 54\.5"):
        parse_wkt("POLYGON ((9 54, 10 55, 10 54, 9 55, 9 54))", "wkt")


def test_the_square_of_a_sentinel_2_name() -> None:
    geometry = mgrs_square("S2A_MSIL1C_20220104T103431_N0301_R108_T32UNG_20220104T123507")
    assert geometry is not None
    assert geometry.origin == "mgrs"
    assert geometry.bounds == pytest.approx((9.0, 55.037, 10.601, 55.945), abs=0.001)
    # the result is valid
    assert parse_geojson(decoded(geometry.geojson), "geometry").bounds == geometry.bounds
    assert mgrs_square("S1A") is None


def test_a_given_footprint_goes_before_the_catalogue_and_that_before_the_name() -> None:
    given_one, catalogue = parse_geojson(polygon(SQUARE), "geometry"), parse_geojson(polygon(SQUARE), "g", "catalogue")
    name = "S2A_MSIL1C_20220104T103431_N0301_R108_T32UNG_20220104T123507"
    assert footprint(name, given_one, catalogue) is given_one
    assert footprint(name, None, catalogue) is catalogue
    assert footprint(name, None) == mgrs_square(name)
    assert footprint("S1A", None) is None


numbers = st.floats(-200, 200) | st.floats() | st.integers(-200, 200)
junk = st.recursive(st.none() | numbers | st.text(max_size=3), lambda inner: st.lists(inner, max_size=6), max_leaves=30)
rings = st.lists(st.lists(st.integers(-181, 181), min_size=2, max_size=3), min_size=2, max_size=6).map(
    lambda ring: [*ring, ring[0]]
)


@settings(deadline=None)
@given(
    st.sampled_from(["Polygon", "MultiPolygon", "Point"]),
    junk | st.lists(rings, max_size=3) | st.lists(st.lists(rings, max_size=2), max_size=3),
)
def test_anything_is_an_area_within_the_world_or_refused(kind: str, coordinates: object) -> None:
    try:
        geometry = parse_geojson({"type": kind, "coordinates": coordinates}, "geometry")
    except InvalidInput as error:
        assert error.errors[0].field.startswith("geometry")  # noqa: PT017
        return
    west, south, east, north = geometry.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert parse_geojson(decoded(geometry.geojson), "geometry").bounds == pytest.approx(geometry.bounds)


@settings(deadline=None)
@given(st.text("POLYGNMUTI() ,.0123456789-eZ", max_size=60) | st.text())
def test_any_text_is_an_area_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        parse_wkt(text, "wkt")

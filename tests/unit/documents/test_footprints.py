import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import from_wkb

from workflow_monitor.documents.antimeridian import BOX_ACROSS, BOX_AROUND
from workflow_monitor.documents.footprints import (
    COLLECTED,
    MERGED,
    WRAPPED,
    FootprintParser,
    footprint,
    mgrs_square,
    parse_geojson,
    parse_wkt,
)
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.limits import DEFAULTS
from workflow_monitor.domain.models import Geometry

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
        (polygon([*SQUARE[:2], [361, 55], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [10, 91], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [float("nan"), 5], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        (polygon([*SQUARE[:2], [float("inf"), 5], *SQUARE[3:]]), "geometry.coordinates[0][2]"),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE[1:]]]}, "geometry.coordinates[1][0]"),
        (polygon([[9, 54], [10, 55], [10, 54], [9, 55], [9, 54]]), "geometry"),
        (polygon([[9, 54]] * 5), "geometry"),
        (polygon([[9, 54]] * (DEFAULTS.max_positions + 1)), "geometry.coordinates[0]"),
    ],
)
def test_an_invalid_geometry_is_refused_with_its_place(value: object, place: str) -> None:
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
        "SRID=32632;POLYGON ((9 54, 10 54, 10 55, 9 54))",
        "POLYGON ((9 54, 10 54, 10 55))",
        "POLYGON ((9 54, 10 54, 9 54))",
        "POLYGON ((9 54, 10 55, 10 54, 9 55, 9 54))",
        "POLYGON ((54 9, 54 10, 55 10, 540 9, 54 9))",
        "POLYGON ((nan nan, 10 54, 10 55, nan nan))",
        "POLYGON ((inf 54, 10 54, 10 55, inf 54))",
        "POLYGON Z ((9 54 nan, 10 54 nan, 10 55 nan, 9 54 nan))",
        "GEOMETRYCOLLECTION (POINT (9 54))",
        "GEOMETRYCOLLECTION (" * 100_000 + "POLYGON ((9 54, 10 54, 10 55, 9 54))" + ")" * 100_000,
        "CURVEPOLYGON ((9 54, 10 54, 10 55, 9 54))",
        "x" * 10_000_000,
    ],
)
def test_invalid_wkt_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_wkt(text, "data.wkt")
    assert [error.field for error in refusal.value.errors] == ["data.wkt"]
    assert len(refusal.value.detail) < 500


def test_a_self_intersection_is_refused_with_its_position() -> None:
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


def test_own_footprint_precedes_catalogue_and_catalogue_precedes_name() -> None:
    given_one, catalogue = parse_geojson(polygon(SQUARE), "geometry"), parse_geojson(polygon(SQUARE), "g", "catalogue")
    name = "S2A_MSIL1C_20220104T103431_N0301_R108_T32UNG_20220104T123507"
    assert footprint(name, given_one, catalogue) is given_one
    assert footprint(name, None, catalogue) is catalogue
    assert footprint(name, None) == mgrs_square(name)
    assert footprint("S1A", None) is None


def box(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


@pytest.mark.parametrize(
    ("ring", "area", "bounds"),
    [
        (box(-180, -90, 180, 90), 64800, (-180, -90, 180, 90)),
        (box(-180, -90, 180, 90)[::-1], 64800, (-180, -90, 180, 90)),
        ([[-180, 90], [180, 90], [180, -90], [-180, -90], [-180, 90]], 64800, (-180, -90, 180, 90)),
        (
            [[-180, -90], [180, -90], [180, 0], [180, 90], [-180, 90], [-180, 0], [-180, -90]],
            64800,
            (-180, -90, 180, 90),
        ),
        # cell centres of global grids
        (box(-179.95, -89.95, 179.95, 89.95), 359.9 * 179.9, (-179.95, -89.95, 179.95, 89.95)),
        (box(-179.875, -34.875, 179.875, 34.875), 359.75 * 69.75, (-179.875, -34.875, 179.875, 34.875)),
        (box(-180, -60, 179.5, 80), 359.5 * 140, (-180, -60, 179.5, 80)),
        (box(-170, -60, 170, 60), 340 * 120, (-170, -60, 170, 60)),
        # a band, a cap cut along the antimeridian, and one that is not cut
        (box(-180, 20, 180, 30), 3600, (-180, 20, 180, 30)),
        ([[-180, -80], [0, -75], [180, -80], [180, -90], [-180, -90], [-180, -80]], 4500, (-180, -90, 180, -75)),
        ([[-170, 80], [-90, 80], [0, 80], [90, 80], [170, 80], [-170, 80]], 3600, (-180, 80, 180, 90)),
        # across the antimeridian, in either direction
        (box(179, 0, -179, 1), 2, (-180, 0, 180, 1)),
        (box(179, 0, -179, 1)[::-1], 2, (-180, 0, 180, 1)),
        (
            [[179, 0], [180, 0], [-180, 0], [-179, 0], [-179, 1], [-180, 1], [180, 1], [179, 1], [179, 0]],
            2,
            (-180, 0, 180, 1),
        ),
        # longitudes that run on
        (box(178.6, 51, 181.4, 52), 2.8, (-180, 51, 180, 52)),
        (box(-181.4, 51, -179, 52), 2.4, (-180, 51, 180, 52)),
        (box(190, 51, 191, 52), 1, (-170, 51, -169, 52)),
        (box(0, -90, 360, 90), 64800, (-180, -90, 180, 90)),
    ],
)
def test_area_and_bounds_of_a_ring(ring: list[list[float]], area: float, bounds: tuple[float, ...]) -> None:
    geometry = parse_geojson(polygon(ring), "geometry")
    assert from_wkb(geometry.wkb).area == pytest.approx(area)
    assert geometry.bounds == pytest.approx(bounds)


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (polygon(SQUARE), ""),
        (polygon(box(-180, -90, 180, 90)), ""),
        (polygon([[179.2, 0], [-179, 0.1], [-179.1, 1], [179, 1], [179.2, 0]]), ""),
        (polygon(box(-170, -60, 170, 60)), BOX_AROUND),
        (polygon(box(179, 0, -179, 1)), BOX_ACROSS),
        (polygon(box(190, 51, 191, 52)), WRAPPED),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [box(9.5, 54, 11, 55)]]}, MERGED),
        (
            {"type": "GeometryCollection", "geometries": [polygon(SQUARE), {"type": "Point", "coordinates": [9, 54]}]},
            COLLECTED,
        ),
        (polygon([*SQUARE[:2], [12, 54], *SQUARE[1:]]), "Repaired: Self-intersection[12 54]."),
        # a position that occurs twice is valid
        (polygon([SQUARE[0], *SQUARE]), ""),
    ],
)
def test_repairs_and_guesses_leave_a_note(value: object, note: str) -> None:
    assert parse_geojson(value, "geometry").note == note


def test_large_areas_are_not_repaired() -> None:
    zigzag = [[9 + step % 2 / 10, 54 + step / 1000] for step in range(301)]
    crossing = [*zigzag, [9.05, 54.0], [9.1, 54.3], zigzag[0]]
    with pytest.raises(InvalidInput, match="too large for a repair"):
        parse_geojson(polygon(crossing), "geometry")
    strips = [[box(9, 54 + step / 500, 10, 54.001 + step / 500)] for step in range(200)]
    with pytest.raises(InvalidInput, match="more than 1000 positions"):
        parse_geojson({"type": "MultiPolygon", "coordinates": [*strips, [box(9.1, 54, 9.2, 55)]]}, "geometry")


def test_a_spike_is_removed() -> None:
    spiked = parse_geojson(polygon([*SQUARE[:2], [12, 54], *SQUARE[1:]]), "geometry")
    assert from_wkb(spiked.wkb).equals(from_wkb(parse_geojson(polygon(SQUARE), "geometry").wkb))


@pytest.mark.parametrize(
    "text",
    [
        "SRID=4326;POLYGON ((9 54, 10 54, 10 55, 9 55, 9 54))",
        "srid=4326; POLYGON ((9 54, 10 54, 10 55, 9 55, 9 54))",
        "geography'SRID=4326;POLYGON ((9 54, 10 54, 10 55, 9 55, 9 54))'",
        "geography'POLYGON ((9 54, 10 54, 10 55, 9 55, 9 54))'",
        " polygon((9 54,10 54,10 55,9 55,9 54)) ",
        "GEOMETRYCOLLECTION (POLYGON ((9 54, 10 54, 10 55, 9 55, 9 54)), LINESTRING (9 54, 11 54))",
        "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (MULTIPOLYGON (((9 54, 10 54, 10 55, 9 55, 9 54)))))",
    ],
)
def test_dialects_of_wkt(text: str) -> None:
    shape = from_wkb(parse_wkt(text, "wkt").wkb)
    assert shape.geom_type == "Polygon"
    assert shape.bounds == (9, 54, 10, 55)


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}},
        {"type": "name", "properties": {"name": "EPSG:4326"}},
        {"type": "name", "properties": {"name": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},
        None,
    ],
)
def test_crs_members_that_name_wgs_84(crs: object) -> None:
    assert parse_geojson({**polygon(SQUARE), "crs": crs}, "geometry").bounds == (9, 54, 10, 55)


def test_another_crs_is_refused() -> None:
    utm = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    with pytest.raises(InvalidInput, match=r"geometry\.crs: expected OGC:CRS84 or EPSG:4326, found .*32632"):
        parse_geojson({**polygon(SQUARE), "crs": utm}, "geometry")


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
def test_any_coordinates_are_an_area_on_the_globe_or_refused(kind: str, coordinates: object) -> None:
    try:
        geometry = parse_geojson({"type": kind, "coordinates": coordinates}, "geometry")
    except InvalidInput as error:
        assert error.errors[0].field.startswith("geometry")  # noqa: PT017
        return
    west, south, east, north = geometry.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    assert parse_geojson(decoded(geometry.geojson), "geometry").bounds == pytest.approx(geometry.bounds)


prepared_values = st.one_of(
    st.builds(
        lambda kind, value: {"type": kind, "coordinates": value}, st.sampled_from(["Polygon", "MultiPolygon"]), junk
    ),
    rings.map(polygon),
    rings.map(lambda ring: {"type": "MultiPolygon", "coordinates": [[ring], [SQUARE]]}),
    st.just({**polygon(SQUARE), "crs": None}),
    st.just({"type": "MultiPolygon", "coordinates": [[SQUARE]]}),
    st.just(polygon([[*position, 12.5] for position in SQUARE])),
)
prepared_texts = st.sampled_from(
    [
        "POLYGON ((9 54, 10 54, 10 55, 9 54))",
        "POLYGON ((9 54, 10 55, 10 54, 9 55, 9 54))",
        "POLYGON EMPTY",
        "",
        "POINT (1 2)",
    ]
)


@settings(deadline=None)
@given(st.lists(prepared_values, max_size=5), st.lists(prepared_texts, max_size=3))
def test_prepared_footprints_equal_footprints_parsed_one_by_one(values: list[object], texts: list[str]) -> None:
    parser = FootprintParser()
    parser.prepare([*values, *({"wkt": text} for text in texts)])
    for value in values:
        assert outcome(parser.geojson, value) == outcome(parse_geojson, value)
    for text in texts:
        assert outcome(parser.wkt, text) == outcome(parse_wkt, text)


def outcome(parse: Callable[[Any, str], Geometry], value: object) -> Geometry | str:
    try:
        return parse(value, "geometry")
    except InvalidInput as error:
        return error.detail


@settings(deadline=None)
@given(st.text("POLYGNMUTI() ,.0123456789-eZ", max_size=60) | st.text())
def test_any_text_is_a_footprint_or_refused(text: str) -> None:
    with suppress(InvalidInput):
        parse_wkt(text, "wkt")

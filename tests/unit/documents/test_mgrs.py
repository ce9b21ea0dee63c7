from itertools import pairwise

import pytest

from workflow_monitor.documents.mgrs import mgrs_cell_of_product, square_ring


def bounds(name: str) -> tuple[float, float, float, float]:
    ring = square_ring(name)
    assert ring is not None
    assert ring[0] == ring[-1]
    longitudes, latitudes = [position[0] for position in ring], [position[1] for position in ring]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Funen, with Odense at 10.39, 55.40; it starts where zone 32 starts on the east side of its first column.
        ("32UNG", (9.0, 55.0367489, 10.6007821, 55.945375)),
        # New York.
        ("18TWL", (-75.0, 40.6447996, -73.8010337, 41.5516645)),
    ],
)
def test_squares_of_known_places(name: str, expected: tuple[float, ...]) -> None:
    assert bounds(name) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "longitude", "latitude"),
    [
        ("32UNG", 10.39, 55.40),  # Odense
        ("31UDQ", 2.35, 48.85),  # Paris
        ("56HLH", 151.21, -33.87),  # Sydney
        ("21HUB", -58.38, -34.60),  # Buenos Aires
        ("32VKN", 5.32, 60.39),  # Bergen: zone 32 is wider there
        ("33XWG", 15.65, 78.22),  # Longyearbyen: zone 33 is wider there
        ("01KAB", -179.9, -16.5),  # Fiji, just east of the antimeridian
        ("60KXE", 178.44, -18.14),  # Suva
        ("37MBU", 36.82, -1.29),  # Nairobi
    ],
)
def test_the_square_of_a_place_holds_it(name: str, longitude: float, latitude: float) -> None:
    west, south, east, north = bounds(name)
    assert west <= longitude <= east
    assert south <= latitude <= north


@pytest.mark.parametrize("name", ["32UNG", "32VKN", "01KAB", "60KXE", "33XWG"])
def test_rings_run_counter_clockwise_within_their_zone(name: str) -> None:
    ring = square_ring(name)
    assert ring is not None
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    assert area > 0
    assert all(-180 <= longitude <= 180 for longitude, _ in ring)


@pytest.mark.parametrize("name", ["00UNG", "61UNG", "32UAG", "32XNG", "34XWG"])
def test_squares_that_do_not_exist(name: str) -> None:
    assert square_ring(name) is None


@pytest.mark.parametrize(
    "source_id",
    [
        "S2A_MSIL1C_20220104T103431_N0301_R108_T32UNG_20220104T123507",
        "S2B_MSIL2A_20220112T104319_N0510_R008_T32UNG_20240428T024837.SAFE",
        "S2C_MSIL2A_20250112T104319_N0511_R008_T32UNG",
        "S2A_OPER_MSI_L1C_TL_EPA__20160605T113933_A000734_T32UNG_N02.02",
        "S2A_T32UNG_20240101T103431_L2A",
        "S2B_32UNG_20230301_0_L2A",
        "S2C_32UNG",
        "HLS.S30.T32UNG.2024020T104319.v2.0",
        "HLS.L30.T32UNG.2024020T104319.v2.0.Fmask",
        "HLS-VI.S30.T32UNG.2024020T104319.v2.0",
    ],
)
def test_names_of_sentinel_2_and_hls_products_have_a_square(source_id: str) -> None:
    assert mgrs_cell_of_product(source_id) == square_ring("32UNG")


@pytest.mark.parametrize(
    "source_id",
    [
        "",
        "S1A_IW_SLC__1SDV_20220111T170124_20220111T170151_041416_04ECAD_F4D7",
        "S2A_MSIL1C_20220104T103431_N0301_R108_T32ING_20220104T123507",
        "LC08_T32UNG_x",
        "S2A_MSIL1C_20220104T103431_32UNG_20220104T123507",
        "S2B_32UNGA_20230301_0_L2A",
        "S1A_32UNG_20230301",
        "HLS.S30.32UNG.2024020T104319",
        "HLS.M30.T32UNG.2024020T104319",
        "T32UNG",
    ],
)
def test_other_names_have_no_square(source_id: str) -> None:
    assert mgrs_cell_of_product(source_id) is None

"""Orbits, acquisition times and footprints match catalogue entries of real products."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import Polygon

from workflow_monitor.demo.sentinel1 import Burst, Frame, frames_over, orbit_on, relative_orbit, time_of

#: catalogue entry of slice 17 of relative orbit 44
CATALOGUE = Polygon([(9.197315, 54.109573), (13.149646, 54.522511), (12.718431, 56.14106), (8.600642, 55.723324)])


def test_a_frame_overlaps_its_catalogue_footprint() -> None:
    frame = Polygon(Frame(44, 17).footprint)
    assert frame.intersection(CATALOGUE).area / frame.union(CATALOGUE).area > 0.85


@pytest.mark.parametrize("orbit", [41416, 41591, 41766])
def test_acquisition_times_match_the_catalogue(orbit: int) -> None:
    days = timedelta(days=12) * ((orbit - 41416) // 175)
    expected = datetime(2022, 1, 11, 17, 1, 24, tzinfo=UTC) + days
    assert abs(time_of("S1A", orbit, Frame(44, 17).start) - expected) < timedelta(seconds=2)


@pytest.mark.parametrize(("number", "name"), [(4, "A44_IW1_8951"), (5, "A44_IW1_8979"), (6, "A44_IW1_9007")])
def test_burst_names_match_the_catalogue(number: int, name: str) -> None:
    assert Burst(Frame(44, 17), "IW1", number).name == name


@pytest.mark.parametrize("mission", ["S1A", "S1B"])
def test_absolute_and_relative_orbits_round_trip(mission: str) -> None:
    for relative in range(1, 176):
        for cycle in (-20, 0, 3):
            assert relative_orbit(mission, orbit_on(mission, relative, cycle)) == relative


def test_sentinel_1b_passes_six_days_before_sentinel_1a() -> None:
    apart = time_of("S1A", orbit_on("S1A", 44, 0), 0) - time_of("S1B", orbit_on("S1B", 44, 0), 0)
    assert apart == timedelta(days=6)


def test_ascending_passes_are_in_the_evening_and_descending_in_the_morning() -> None:
    frames = [*frames_over(8, 54, 13, 58)]
    assert {frame.ascending for frame in frames} == {True, False}
    for frame in frames:
        hour = time_of("S1A", orbit_on("S1A", frame.relative_orbit, 0), frame.start).hour
        assert hour in ({16, 17} if frame.ascending else {5, 6})


def test_footprints_are_rings_of_250_km_by_170_km() -> None:
    for frame in frames_over(5, 54, 31, 71):
        ring = frame.footprint
        assert ring[0] == ring[-1]
        polygon = Polygon(ring)
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
        west, south, east, north = polygon.bounds
        assert 1.4 < north - south < 3.5
        assert 3.5 < east - west < 12

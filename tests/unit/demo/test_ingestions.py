"""The example scenes are valid, consistent and accepted by the parser of the server."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from shapely import from_wkt
from shapely.geometry import shape

from workflow_monitor.demo.ingestions import denmark_s1, denmark_s2, examples, northern_europe_s1
from workflow_monitor.demo.sentinel1 import relative_orbit
from workflow_monitor.documents.scene_lists import parse_scenes

S1_NAME = re.compile(
    r"(?P<mission>S1[AB])_IW_SLC__1SDV_(?P<start>\d{8}T\d{6})_(?P<stop>\d{8}T\d{6})"
    r"_(?P<orbit>\d{6})_(?P<take>[0-9A-F]{6})_[0-9A-F]{4}"
)
S2_NAME = re.compile(
    r"S2[AB]_MSIL1C_(?P<start>\d{8}T\d{6})_(?P<baseline>N0301|N0400)_R(?P<orbit>\d{3})"
    r"_T(?P<square>\d\d[A-Z]{3})_\d{8}T\d{6}"
)
BURST = re.compile(r"[AD](?P<orbit>\d{1,3})_IW[123]_\d{4,5}")

S1 = [*denmark_s1().scenes, *northern_europe_s1(300).scenes]
S2 = denmark_s2().scenes


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def parse_name(pattern: re.Pattern[str], name: Any) -> dict[str, str]:
    match = pattern.fullmatch(name)
    assert match, name
    return match.groupdict()


def test_examples_have_the_configured_sizes() -> None:
    assert [(ingestion.aoi, len(ingestion.scenes)) for ingestion in examples()] == [
        ("DenmarkS1", 48),
        ("DenmarkS2", 48),
        ("NorthernEuropeS1", 2000),
    ]
    assert [ingestion.aoi for ingestion in examples(0)] == ["DenmarkS1", "DenmarkS2"]


@pytest.mark.parametrize("scenes", [1, 7, 25, 26, 300, 8000])
def test_northern_europe_has_the_requested_count_of_scenes(scenes: int) -> None:
    names = [scene["source_id"] for scene in northern_europe_s1(scenes).scenes]
    assert len(set(names)) == len(names) == scenes


def test_examples_depend_on_the_seed() -> None:
    assert examples(50, seed=3) == examples(50, seed=3)
    assert examples(50, seed=3) != examples(50, seed=4)


def test_names_and_uuids_are_unique() -> None:
    for ingestion in examples(300):
        names = Counter(scene["source_id"] for scene in ingestion.scenes)
        uuids = Counter(scene["data"]["uuid"] for scene in ingestion.scenes)  # type: ignore[index]
        assert {*names.values(), *uuids.values()} == {1}


def test_a_sentinel_1_scene_agrees_with_its_name() -> None:
    for scene in S1:
        check_s1(scene)


def check_s1(scene: Any) -> None:
    name = parse_name(S1_NAME, scene["source_id"])
    tags = scene["data"]["tags"]
    assert moment(name["start"]) == datetime.fromisoformat(scene["data"]["date"]).replace(microsecond=0)
    assert timedelta(seconds=25) <= moment(name["stop"]) - moment(name["start"]) <= timedelta(seconds=30)
    assert tags["orbit"] == str(int(name["orbit"]))
    assert tags["relativeOrbit"] == str(relative_orbit(name["mission"], int(name["orbit"])))
    assert tags["satellite"] == f"SENTINEL{name['mission'][1:]}"
    assert tags["sourceID"] == scene["source_id"]
    for tile in scene["tiles"]:
        assert parse_name(BURST, tile)["orbit"] == tags["relativeOrbit"]
        assert tile[0] == tags["orbitDirection"][0]


def test_data_take_ids_increase_with_the_orbit() -> None:
    for mission in ("S1A", "S1B"):
        names = [parse_name(S1_NAME, scene["source_id"]) for scene in S1]
        takes = sorted((int(name["orbit"]), int(name["take"], 16)) for name in names if name["mission"] == mission)
        assert takes
        assert [take for _, take in takes] == sorted(take for _, take in takes)
        assert len(set(takes)) == len({orbit for orbit, _ in takes})


@pytest.mark.parametrize("ingestion", examples(300), ids=lambda ingestion: ingestion.aoi)
def test_tiles_link_to_the_previous_and_the_first_date(ingestion: Any) -> None:
    dates: dict[tuple[str, str], str] = {}
    roots: dict[str, str] = {}
    last: dict[str, str] = {}
    for scene in ingestion.scenes:
        assert set(scene["tiles"]) == set(scene["data"]["tiles"])
        for name, tile in scene["tiles"].items():
            dates[scene["source_id"], name] = scene["data"]["date"]
            if tile["previous_scene_id"]:
                assert tile["previous_tile_id"] == tile["reference_tile_id"] == name
                assert tile["previous_scene_id"] == last[name]
                assert tile["reference_scene_id"] == roots[name]
                assert dates[last[name], name] < scene["data"]["date"]
            else:
                assert name not in roots
                roots[name] = scene["source_id"]
            last[name] = scene["source_id"]


def test_a_sentinel_2_scene_agrees_with_its_name() -> None:
    for scene in S2:
        check_s2(scene)


def check_s2(scene: Any) -> None:
    name = parse_name(S2_NAME, scene["source_id"])
    tags = scene["data"]["tags"]
    assert moment(name["start"]) == datetime.fromisoformat(scene["data"]["date"]).replace(microsecond=0)
    assert (tags["relativeOrbit"], tags["tile"]) == (str(int(name["orbit"])), name["square"])
    assert (name["baseline"] == "N0400") == (moment(name["start"]) >= datetime(2022, 1, 25, tzinfo=UTC))
    assert list(scene["tiles"]) == [scene["source_id"]]


def test_sentinel_2_revisits_a_granule_every_five_days() -> None:
    dates: dict[tuple[str, str], list[datetime]] = {}
    for scene in S2:
        name = parse_name(S2_NAME, scene["source_id"])
        dates.setdefault((name["orbit"], name["square"]), []).append(moment(name["start"]))
    assert len(dates) == 8
    for seen in dates.values():
        assert {later - earlier for earlier, later in pairwise(seen)} == {timedelta(days=5)}


def test_footprints_are_valid_and_over_northern_europe() -> None:
    for scene in S1:
        data: Any = scene["data"]
        footprint = shape(data["geometry"]) if "geometry" in data else from_wkt(data["wkt"])
        assert footprint.is_valid
        assert 0 < footprint.centroid.x < 35
        assert 54 < footprint.centroid.y < 72


@pytest.mark.parametrize("ingestion", examples(100), ids=lambda ingestion: ingestion.aoi)
def test_the_parser_accepts_the_examples_with_geometry_and_date(ingestion: Any) -> None:
    read = parse_scenes(json.dumps(ingestion.scenes).encode(), "application/json", ingestion.aoi)
    assert [scene.source_id for scene in read] == [scene["source_id"] for scene in ingestion.scenes]
    assert all(scene.geometry for scene in read)
    assert all(scene.date for scene in read)

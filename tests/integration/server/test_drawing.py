"""Binary columns of footprints and lanes, over HTTP."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.integration.server.conftest import Add, Fetch, scene
from workflow_monitor.documents.media_types import COLUMNS
from workflow_monitor.server.columnar import packed


def unpacked(body: bytes) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    (length,) = struct.unpack_from("<I", body)
    about = json.loads(body[4 : 4 + length])
    columns = {
        name: np.frombuffer(body, column["type"], column["length"], column["start"]).tolist()
        for name, column in about.pop("columns").items()
    }
    return about, columns


@pytest.mark.parametrize("length", range(12))
def test_packed_columns_round_trip(length: int) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {
        "small": np.arange(length),
        "links": np.arange(length) - 1,
        "large": np.arange(length) + 2**40,
        "real": np.linspace(0, 1, length, dtype=np.float32),
        "days": np.full(length, -(2**31), dtype=np.int32),
    }
    body = packed({"name": "Åse " * length}, arrays)
    about, columns = unpacked(body)
    assert about == {"name": "Åse " * length}
    assert columns == {name: column.tolist() for name, column in arrays.items()}
    (header_length,) = struct.unpack_from("<I", body)
    starts = [column["start"] for column in json.loads(body[4 : 4 + header_length])["columns"].values()]
    assert [start % 8 for start in starts] == [0] * len(arrays)


def test_integers_use_the_smallest_type() -> None:
    body = packed({}, {"id": np.array([1, 255]), "far": np.array([1, 256]), "huge": np.array([2**53])})
    (length,) = struct.unpack_from("<I", body)
    described = json.loads(body[4 : 4 + length])["columns"]
    assert [described[name]["type"] for name in ("id", "far", "huge")] == ["uint8", "uint16", "float64"]


async def test_footprints_of_scenes(fetch: Fetch, add: Add) -> None:
    await add("S2A_MSIL1C_20220104T103431_N0301_R108_T32UNG_20220104T123507")
    await add("scene without a grid name")
    await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
    response = await fetch("GET", "/aoi/Fyn/footprints")
    assert (response.status, response.media_type) == (200, COLUMNS)
    about, columns = unpacked(response.body)
    newest = (await fetch("GET", "/aoi/Fyn/history")).json()[-1]["seq"]
    assert (about["seq"], about["kind"]) == (newest, "scene")
    assert columns["id"] == [1, 2]
    assert [about["statuses"][code] for code in columns["status"]] == ["DONE", "PENDING"]
    assert [str(np.datetime64(day, "D")) for day in columns["day"]] == ["2022-01-04", "2022-01-04"]
    assert columns["first_ring"] == [0, 1, 1]
    assert len(columns["positions"]) == 2 * columns["first_position"][1]
    assert 8 < columns["positions"][0] < 12
    assert 54 < columns["positions"][1] < 57


async def test_footprints_of_tiles(fetch: Fetch) -> None:
    await fetch("POST", "/aoi/Fyn")
    data = {"date": "2022-01-04T10:34:31Z"}
    tiles = [
        {"SourceID": "a", "Data": {}},
        {"SourceID": "b", "Data": {}, "GeometryWKT": "POLYGON ((9 55, 10 55, 10 56, 9 55))"},
    ]
    feature = {"type": "Feature", "geometry": None, "properties": {"source_id": "s1", "data": data, "Tiles": tiles}}
    catalogue = {"type": "FeatureCollection", "features": [feature]}
    response = await fetch("POST", "/aoi/Fyn/scenes", catalogue, {"Content-Type": "application/geo+json"})
    assert response.status == 200, response.text
    about, columns = unpacked((await fetch("GET", "/aoi/Fyn/footprints?of=tiles")).body)
    assert about["kind"] == "tile"
    assert columns["first_ring"] == [0, 0, 1]
    assert columns["positions"] == [9, 55, 10, 55, 10, 56]


async def test_lanes_place_tiles_by_day_and_track(fetch: Fetch, add: Add) -> None:
    days = iter(("2022-01-04", "2022-01-14", "2022-01-09"))
    await fetch("POST", "/aoi/Fyn")
    for name, after in (("s1", None), ("s2", "s1"), ("s3", None)):
        document = scene(name, after=after, tiles=("b", "a") if name != "s3" else ("c",))
        document["data"]["date"] = f"{next(days)}T10:00:00Z"
        assert (await fetch("POST", "/aoi/Fyn/scene", document)).status == 200
    await fetch("PUT", "/scene/3/force/RETRY")
    response = await fetch("GET", "/aoi/Fyn/lanes")
    about, columns = unpacked(response.body)
    assert about["days"] == ["2022-01-04", "2022-01-09", "2022-01-14"]
    assert (about["tracks"], about["names"]) == (3, ["a", "b", "c"])
    tiles = (await fetch("GET", "/aoi/Fyn/tiles")).json()
    by_id = {tile["id"]: tile for tile in tiles}
    assert sorted(columns["id"]) == sorted(by_id)
    rows = np.repeat(np.arange(3), np.diff(columns["first"])).tolist()
    for index, tile_id in enumerate(columns["id"]):
        tile = by_id[tile_id]
        assert columns["scene"][index] == tile["scene"]["id"]
        assert about["names"][columns["track"][index]] == tile["source_id"]
        assert about["days"][rows[index]] == tile["scene"]["data"]["date"][:10]
        previous = columns["previous"][index]
        assert (columns["id"][previous - 1] if previous else None) == tile["PreviousID"]
    assert [columns["id"][index] for index in columns["by_id"]] == sorted(by_id)
    assert columns["scene_id"] == [1, 2, 3]
    assert [about["statuses"][code] for code in columns["scene_status"]] == ["PENDING", "PENDING", "RETRY"]
    assert columns["scene_row"] == [0, 2, 1]


async def test_a_scene_without_a_date(fetch: Fetch, add: Add) -> None:
    await fetch("POST", "/aoi/Fyn")
    document = scene("s1")
    del document["data"]["date"]
    response = await fetch("POST", "/aoi/Fyn/scene", document)
    assert response.status == 200, response.text
    about, columns = unpacked((await fetch("GET", "/aoi/Fyn/lanes")).body)
    assert (about["days"], columns["id"], columns["scene_row"]) == ([None], [1], [0])
    assert unpacked((await fetch("GET", "/aoi/Fyn/footprints")).body)[1]["day"] == [-(2**31)]


@pytest.mark.parametrize("path", ["footprints", "footprints?of=tiles", "lanes"])
async def test_an_empty_aoi_has_no_ids_and_a_missing_one_returns_404(fetch: Fetch, path: str) -> None:
    await fetch("POST", "/aoi/Fyn")
    assert unpacked((await fetch("GET", f"/aoi/Fyn/{path}")).body)[1]["id"] == []
    assert (await fetch("GET", f"/aoi/Nowhere/{path}")).problem(404)["code"] == "aoi-not-found"


async def test_footprints_of_an_unknown_kind_return_400(fetch: Fetch) -> None:
    await fetch("POST", "/aoi/Fyn")
    assert (await fetch("GET", "/aoi/Fyn/footprints?of=orbits")).problem(400)["errors"][0]["field"] == "of"

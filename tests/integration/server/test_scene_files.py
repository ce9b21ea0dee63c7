"""Files of catalogues and lists of the server as bodies of `POST /aoi/{aoi}/scenes`."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Fetch, scene
from tests.paths import DATA

pytestmark = ON_ALL_STORES

ITEMS = [json.loads(path.read_bytes()) for path in sorted((DATA / "stac").glob("*.json"))]
SQUARE = {"type": "Polygon", "coordinates": [[[10, 55], [11, 55], [11, 56], [10, 56], [10, 55]]]}
WKT = "POLYGON ((10 55, 11 55, 11 56, 10 56, 10 55))"
FORMS = {"json": "application/json", "ndjson": "application/x-ndjson", "geojson": "application/geo+json"}


async def create(fetch: Fetch, *names: str) -> None:
    for name in names:
        assert (await fetch("POST", f"/aoi/{name}")).status == 204


async def post(fetch: Fetch, aoi: str, body: object, query: str = "", media_type: str = "application/json") -> Any:
    response = await fetch("POST", f"/aoi/{aoi}/scenes{query}", body, {"Content-Type": media_type})
    assert response.status == 200, response.text
    return response.json()


async def listed(fetch: Fetch, aoi: str) -> list[dict[str, Any]]:
    """Return the scenes with their tiles, without ids and AOI."""
    scenes = (await fetch("GET", f"/aoi/{aoi}/scenes?tiles=true")).json()
    return [{key: value for key, value in one.items() if key not in {"id", "aoi"}} for one in scenes]


async def fill(fetch: Fetch) -> None:
    """Add scenes with footprints of every origin, links, a retry count and names that need escapes."""
    await create(fetch, "DenmarkDemo")
    await post(fetch, "DenmarkDemo", (DATA / "tilesInventory.json").read_bytes())
    documents = [scene(f'"S{index}" \\ é', aoi="DenmarkDemo", tiles=('t"1', "ü\n2")) for index in range(4)]
    documents[0]["data"] |= {"geometry": SQUARE, "metadata": {"nested": [1.5, None, {"a": "b"}]}, "tags": {"cloud": 3}}
    documents[1]["data"] |= {"wkt": WKT}
    documents[2]["source_id"] = "S2B_MSIL2A_20220112T104319_N0510_R008_T32UNG_20240428T024837"
    documents[2]["retry_count"] = 5
    chain = scene("second", aoi="DenmarkDemo", tiles=('t"1', "ü\n2"), after=documents[0]["source_id"])
    await post(fetch, "DenmarkDemo", [*documents, chain])


@pytest.mark.parametrize("form", FORMS)
async def test_a_list_with_tiles_is_accepted_whole(fetch: Fetch, form: str) -> None:
    await fill(fetch)
    await create(fetch, "Copy")
    body = (await fetch("GET", f"/aoi/DenmarkDemo/scenes?tiles=true&format={form}")).body
    ids = (await post(fetch, "Copy", body, media_type=FORMS[form]))["ids"]
    original, copy = await listed(fetch, "DenmarkDemo"), await listed(fetch, "Copy")
    assert len(ids) == len(copy) == 8
    assert {one["geometry_origin"] for one in copy} == {"catalogue", "geometry", "wkt", "mgrs", None}
    assert sum(bool(tile["previous_tile_id"]) for one in copy for tile in one["tiles"].values()) == 8
    assert {tile["geometry_origin"] for one in copy for tile in one["tiles"].values()} == {"catalogue", None}

    def by_name(scenes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(({**one, "status": "", "attempt": 0} for one in scenes), key=lambda one: str(one["source_id"]))

    assert by_name(copy) == by_name(original)


@pytest.mark.parametrize("form", FORMS)
async def test_a_list_without_tiles_is_refused_with_the_reason(fetch: Fetch, form: str) -> None:
    await fill(fetch)
    await create(fetch, "Copy")
    body = (await fetch("GET", f"/aoi/DenmarkDemo/scenes?format={form}")).body
    refusal = await fetch("POST", "/aoi/Copy/scenes", body, {"Content-Type": FORMS[form]})
    assert "tiles=true" in refusal.problem(400)["detail"]
    tiles = (await fetch("GET", f"/aoi/DenmarkDemo/tiles?format={form}")).body
    assert (await fetch("POST", "/aoi/Copy/scenes", tiles, {"Content-Type": FORMS[form]})).status == 400


async def test_pages_and_statuses_with_tiles(fetch: Fetch) -> None:
    await fill(fetch)
    everything = (await fetch("GET", "/aoi/DenmarkDemo/scenes?tiles=true")).json()
    assert (await fetch("GET", "/aoi/DenmarkDemo/scenes?tiles=true&limit=2&page=1")).json() == everything[2:4]
    assert (await fetch("GET", "/aoi/DenmarkDemo/scenes/DONE?tiles=true")).json() == []
    assert "Arrow" in (await fetch("GET", "/aoi/DenmarkDemo/scenes?tiles=true&format=arrow")).problem(400)["detail"]
    assert (await fetch("GET", "/aoi/DenmarkDemo/scenes?tiles=1")).problem(400)["errors"][0]["field"] == "tiles"


async def test_stac_items_become_scenes(fetch: Fetch) -> None:
    await create(fetch, "Stac", "Squares")
    result = {"type": "FeatureCollection", "stac_version": "1.0.0", "features": ITEMS, "links": []}
    assert (await post(fetch, "Stac", result, media_type="application/geo+json"))["scenes"] == len(ITEMS)
    features = (await fetch("GET", "/aoi/Stac/scenes?format=geojson")).json()["features"]
    assert {one["properties"]["source_id"] for one in features} == {item["id"] for item in ITEMS}
    assert all(one["geometry"] is not None for one in features)
    squares = [item for item in ITEMS if item["collection"].startswith("sentinel-2")]
    await post(fetch, "Squares", squares, "?tiles=mgrs")
    tiles = (await fetch("GET", "/aoi/Squares/tiles")).json()
    assert {tile["source_id"] for tile in tiles} == {"27VWK", "46RER", "32UPE", "01KAB"}
    assert (await fetch("POST", "/aoi/Stac/scenes?tiles=granule", "[]")).problem(400)["errors"][0]["field"] == "tiles"


async def test_invalid_scenes_are_skipped_on_request(fetch: Fetch) -> None:
    await create(fetch, "Stac")
    point, numeric = deepcopy(ITEMS[0]), deepcopy(ITEMS[1])
    point["geometry"] = {"type": "Point", "coordinates": [10, 55]}
    numeric["properties"]["datetime"] = 5
    features = [point, numeric, *ITEMS[2:]]
    body = {"type": "FeatureCollection", "features": features}
    problem = (await fetch("POST", "/aoi/Stac/scenes", body)).problem(400)
    assert [error["field"] for error in problem["errors"]] == [
        "features[0].geometry.type",
        "features[1].properties.datetime",
    ]
    assert all(item["id"] in error["message"] for item, error in zip(ITEMS, problem["errors"], strict=False))
    assert (await fetch("GET", "/aoi/Stac/scenes")).json() == []
    added = await post(fetch, "Stac", body, "?invalid=skip")
    assert set(added["ids"]) == {item["id"] for item in ITEMS[2:]}
    assert [(one["source_id"], one["field"]) for one in added["invalid"]] == [
        (ITEMS[0]["id"], "features[0]"),
        (ITEMS[1]["id"], "features[1]"),
    ]
    assert added["invalid"][0]["reason"].startswith("features[0].geometry.type: expected Polygon")
    assert (await fetch("POST", "/aoi/Stac/scenes?invalid=yes", "[]")).problem(400)["errors"][0]["field"] == "invalid"


async def test_only_invalid_scenes_add_nothing(fetch: Fetch) -> None:
    await create(fetch, "Fyn")
    added = await post(fetch, "Fyn", [{"source_id": "a"}], "?invalid=skip")
    assert (added["scenes"], added["ids"]) == (0, {})
    assert added["invalid"][0]["source_id"] == "a"

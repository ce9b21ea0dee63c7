"""Responses of each endpoint to valid and invalid requests."""

from __future__ import annotations

import io
import json
import urllib.parse
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch, scene
from tests.paths import DATA

pytestmark = ON_ALL_STORES

NAMES = [
    "Denmark Demo S2",
    'a "quoted" name',
    "it's",
    "north/south",
    "50% of it",
    "a+b",
    "Ærø \u2013 öst 北",
    "<b>bold</b>",
    "a#b;c&d=e",
    "back\\slash",
    "…",
]


class TestAOIs:
    async def test_create_list_delete(self, fetch: Fetch) -> None:
        assert (await fetch("GET", "/aoi/")).json() == []
        for name in ("Fyn", "Als"):
            response = await fetch("POST", f"/aoi/{name}", "an ignored body {")
            assert (response.status, response.body) == (204, b"")
        expected = [{"ID": "Als", "status": "NEW"}, {"ID": "Fyn", "status": "NEW"}]
        for path in ("/aoi/", "/aoi"):
            assert (await fetch("GET", path)).json() == expected
        assert (await fetch("POST", "/aoi/Fyn")).problem(409)["code"] == "aoi-exists"
        aois = (await fetch("GET", "/aoi/?counts=true")).json()
        assert [(aoi["ID"], aoi["status"], aoi["scenes"]["total"]) for aoi in aois] == [
            ("Als", "NEW", 0),
            ("Fyn", "NEW", 0),
        ]
        assert set(aois[0]["tiles"]) == {"new", "pending", "done", "retry", "failed", "total"}
        assert (await fetch("GET", "/aoi/?counts=many")).problem(400)["errors"][0]["field"] == "counts"
        assert (await fetch("DELETE", "/aoi/Fyn")).status == 204
        assert (await fetch("DELETE", "/aoi/Fyn")).problem(404)["code"] == "aoi-not-found"
        assert (await fetch("GET", "/aoi/")).json() == expected[:1]

    @pytest.mark.parametrize("name", NAMES)
    async def test_names_with_special_characters(self, fetch: Fetch, name: str) -> None:
        path = f"/aoi/{urllib.parse.quote(name, safe='')}"
        assert (await fetch("POST", path)).status == 204
        assert (await fetch("POST", f"{path}/scene", scene("s1", aoi=name))).status == 200
        assert (await fetch("GET", "/aoi/")).json() == [{"ID": name, "status": "PENDING"}]
        assert (await fetch("GET", f"{path}?format=json")).json()["aoi"] == name
        assert [item["aoi"] for item in (await fetch("GET", f"{path}/scenes")).json()] == [name]
        assert (await fetch("GET", f"{path}/dot")).status == 200
        assert (await fetch("GET", f"{path}/history")).json()[0]["aoi"] == name
        assert (await fetch("DELETE", path)).status == 204

    @pytest.mark.parametrize("name", ["a*", "who%3F"])
    async def test_a_pattern_is_refused_as_a_name(self, fetch: Fetch, name: str) -> None:
        assert (await fetch("POST", f"/aoi/{name}")).problem(400)["errors"]

    async def test_a_name_that_is_not_utf8_returns_400(self, fetch: Fetch) -> None:
        assert (await fetch("GET", "/aoi/%FF%FE")).problem(400)

    async def test_a_pattern_selects_aois(self, fetch: Fetch) -> None:
        for name in ("DenmarkS1", "DenmarkS2", "Sweden"):
            await fetch("POST", f"/aoi/{name}")
        for pattern, names in {
            "Denmark*": ["DenmarkS1", "DenmarkS2"],
            "denmarkS%3F(%3Fi)": ["DenmarkS1", "DenmarkS2"],
            "nothing*": [],
        }.items():
            assert [aoi["ID"] for aoi in (await fetch("GET", f"/aoi/{pattern}")).json()] == names
            assert (await fetch("GET", f"/aoi/{pattern}/scenes")).json() == []

    async def test_the_overview_is_text_or_json(self, fetch: Fetch, add: Add) -> None:
        await add("s1", tiles=("t1", "t2"))
        response = await fetch("GET", "/aoi/Fyn")
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.text.startswith("Scenes:\n  new:     0\n  pending: 1\n")
        assert response.text.endswith("Root tiles : 2\n  From: 2022-01-04\n  To:   2022-01-04\n")
        document = (await fetch("GET", "/aoi/Fyn", headers={"Accept": "application/json"})).json()
        assert document["status"] == "PENDING"
        assert document["tiles"]["new"] == 2
        assert (document["root_tiles"], document["from"], document["to"]) == (2, "2022-01-04", "2022-01-04")

    async def test_the_graph_is_dot_or_svg(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add("s1")
        response = await fetch("GET", "/aoi/Fyn/dot")
        assert response.media_type == "text/vnd.graphviz"
        assert response.text.startswith("digraph ")
        assert f"s{scene_id} [label=" in response.text
        for path, accept in (("/aoi/Fyn/dot?format=svg", ""), ("/aoi/Fyn/dot", "image/svg+xml")):
            picture = await fetch("GET", path, headers={"Accept": accept})
            assert picture.media_type == "image/svg+xml", picture.text
            assert "sandbox" in picture.headers["Content-Security-Policy"]
            assert picture.headers["X-Content-Type-Options"] == "nosniff"
            assert "<svg" in picture.text


MISSING = [
    ("GET", "/aoi/Nowhere"),
    ("DELETE", "/aoi/Nowhere"),
    ("GET", "/aoi/Nowhere/dot"),
    ("GET", "/aoi/Nowhere/scenes"),
    ("GET", "/aoi/Nowhere/tiles/DONE"),
    ("GET", "/aoi/Nowhere/scenes?format=arrow"),
    ("GET", "/aoi/Nowhere/roottiles"),
    ("GET", "/aoi/Nowhere/leaftiles"),
    ("GET", "/aoi/Nowhere/events"),
    ("GET", "/aoi/Nowhere/history"),
    ("PUT", "/aoi/Nowhere/retry"),
    ("PUT", "/aoi/Nowhere/retry/force"),
    *[(method, f"/{kind}/{number}{rest}") for kind in ("scene", "tile") for number in (0, -1, 77, 2**63 - 1)
      for method, rest in (("GET", ""), ("PUT", "/retry"), ("PUT", "/fail"), ("PUT", "/fail/force"), ("PUT", "/force/DONE"))],
    ("GET", "/scene/77/tiles"),
]  # fmt: skip


async def test_missing_items_return_404(fetch: Fetch) -> None:
    for method, path in MISSING:
        assert (await fetch(method, path)).problem(404)["code"].endswith("-not-found"), path
    for kind in ("scene", "tile"):
        for method in ("PUT", "PATCH"):
            assert (await fetch(method, f"/{kind}/77/data", {})).problem(404)["code"] == f"{kind}-not-found"


async def test_malformed_ids_return_400(fetch: Fetch, add: Add) -> None:
    scene_id = await add()
    for text in (f"+{scene_id}", f"00{scene_id}"):
        assert (await fetch("GET", f"/scene/{text}")).json()["id"] == scene_id
    for invalid in ("abc", "1.5", "1e3", "0x10", "1_000", "%201", "-", "+", "٣", "9223372036854775808", "9" * 5000):
        for kind in ("scene", "tile"):
            for method, rest in (("GET", ""), ("PUT", "/retry"), ("PUT", "/force/DONE"), ("PUT", "/data")):
                body: dict[str, object] | None = {} if rest == "/data" else None
                response = await fetch(method, f"/{kind}/{urllib.parse.quote(invalid, safe='%')}{rest}", body)
                assert response.problem(400)["errors"][0]["field"] == "id", (invalid, rest)
                assert len(response.body) < 1000


class TestLists:
    async def test_lists_have_four_formats(self, fetch: Fetch, add: Add) -> None:
        scene_ids = [await add(f"s{index}") for index in range(3)]
        for kind in ("scenes", "tiles"):
            path = f"/aoi/Fyn/{kind}"
            listed = (await fetch("GET", path)).json()
            assert [item["id"] for item in listed] == sorted(item["id"] for item in listed)
            lines = await fetch("GET", path, headers={"Accept": "application/x-ndjson"})
            assert [json.loads(line) for line in lines.text.splitlines()] == listed
            collection = await fetch("GET", path, headers={"Accept": "application/geo+json"})
            assert collection.media_type == "application/geo+json"
            assert [item["type"] for item in collection.json()["features"]] == ["Feature"] * 3
            arrow = await fetch("GET", path, headers={"Accept": "application/vnd.apache.arrow.stream"})
            table = pa.ipc.open_stream(io.BytesIO(arrow.body)).read_all()
            assert table["id"].to_pylist() == [item["id"] for item in listed]
        assert [item["id"] for item in (await fetch("GET", "/aoi/Fyn/scenes")).json()] == scene_ids

    async def test_an_empty_arrow_stream_has_a_schema(self, fetch: Fetch) -> None:
        await fetch("POST", "/aoi/Fyn")
        for kind in ("scenes", "tiles"):
            response = await fetch("GET", f"/aoi/Fyn/{kind}?format=arrow")
            table = pa.ipc.open_stream(io.BytesIO(response.body)).read_all()
            assert table.num_rows == 0
            assert "id" in table.column_names

    async def test_limit_and_page_select_items(self, fetch: Fetch, add: Add) -> None:
        scene_ids = [await add(f"s{index}") for index in range(5)]
        everything = ("", "?limit=0", "?limit=-1&page=1", "?limit=abc", "?page=3", "?limit=", "?limit=1.5")
        expected = {
            "?limit=2": scene_ids[:2],
            "?limit=2&page=1": scene_ids[2:4],
            "?limit=2&page=2": scene_ids[4:],
            "?limit=2&page=3": [],
            "?limit=2&page=-1": scene_ids[:2],
            "?limit=2&page=x": scene_ids[:2],
            "?limit=9223372036854775807&page=9223372036854775807": [],
            "?limit=2&page=99999999999999999999999": scene_ids[:2],
            **dict.fromkeys(everything, scene_ids),
        }
        for query, ids in expected.items():
            response = await fetch("GET", f"/aoi/Fyn/scenes{query}")
            assert [item["id"] for item in response.json()] == ids, query

    async def test_status_selects_items(self, fetch: Fetch, add: Add) -> None:
        await add()
        for status in ("PENDING", "pending", "Pending"):
            assert len((await fetch("GET", f"/aoi/Fyn/scenes/{status}")).json()) == 1
            assert len((await fetch("GET", f"/aoi/Fyn/scenes?status={status}")).json()) == 1
        for kind in ("scenes", "tiles"):
            assert (await fetch("GET", f"/aoi/Fyn/{kind}/DONE")).json() == []
            assert (await fetch("GET", f"/aoi/Fyn/{kind}?status=DONE")).json() == []
        paths = (
            "scenes/nonsense",
            "scenes?status=nonsense",
            "scenes?status=",
            "tiles/nonsense",
            "history?status=nonsense",
        )
        for path in (f"/aoi/Fyn/{path}" for path in paths):
            assert (await fetch("GET", path)).problem(400)["code"] == "unknown-status"

    async def test_an_unknown_format_returns_400(self, fetch: Fetch, add: Add) -> None:
        await add()
        problem = (await fetch("GET", "/aoi/Fyn/scenes?format=xml")).problem(400)
        assert problem["errors"] == [
            {"field": "format", "message": "found 'xml', expected one of json, geojson, ndjson, arrow"}
        ]

    async def test_a_long_list_is_chunked_and_complete(self, fetch: Fetch) -> None:
        await fetch("POST", "/aoi/Fyn")
        scenes = [scene(f"s{index}", tiles=("t1", "t2")) for index in range(1500)]
        added = (await fetch("POST", "/aoi/Fyn/scenes", scenes)).json()
        assert (added["scenes"], added["tiles"]) == (1500, 3000)
        response = await fetch("GET", "/aoi/Fyn/tiles")
        assert response.headers["Transfer-Encoding"] == "chunked"
        tiles = response.json()
        assert len(tiles) == 3000
        assert [tile["id"] for tile in tiles] == sorted(tile["id"] for tile in tiles)
        assert {tile["scene"]["id"] for tile in tiles} == set(added["ids"].values())


DECOMPOSED, COMPOSED = "A\u030arhus", "\u00c5rhus"


class TestNamesOfAOIs:
    async def test_names_are_compared_in_their_normal_form_everywhere(self, fetch: Fetch) -> None:
        path = f"/aoi/{quote(f' {DECOMPOSED} ')}"
        assert (await fetch("POST", path)).status == 204
        assert (await fetch("POST", f"/aoi/{quote(COMPOSED)}")).problem(409)["code"] == "aoi-exists"
        assert [aoi["ID"] for aoi in (await fetch("GET", "/aoi/")).json()] == [COMPOSED]
        assert [aoi["ID"] for aoi in (await fetch("GET", f"/aoi/{quote(DECOMPOSED[:2])}*")).json()] == [COMPOSED]
        assert (await fetch("POST", f"{path}/scenes", [scene("a", aoi=DECOMPOSED), scene("b", aoi=COMPOSED)])).json()
        assert (await fetch("POST", f"{path}/scene", scene("c", aoi=DECOMPOSED))).json()
        for endpoint in ("", "/scenes", "/tiles/NEW", "/history", "/dot", "/failures", "/timeline"):
            assert (await fetch("GET", f"{path}{endpoint}")).status == 200, endpoint
        assert {listed["aoi"] for listed in (await fetch("GET", f"{path}/scenes")).json()} == {COMPOSED}
        lease = {"max": 5, "seconds": 60, "worker": "w", "aoi": f" {DECOMPOSED}"}
        assert len((await fetch("POST", "/jobs/downloader/lease", lease)).json()["jobs"]) == 3
        assert (await fetch("DELETE", path)).status == 204

    @pytest.mark.parametrize("name", [" ", "\u3000", "\u200b", "\n\t"])
    async def test_blank_names_are_refused(self, fetch: Fetch, name: str) -> None:
        assert (await fetch("POST", f"/aoi/{quote(name)}")).problem(400)["errors"][0]["field"] == "aoi"


class TestIngestion:
    async def test_an_existing_scene_returns_its_id(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add("s1")
        problem = (await fetch("POST", "/aoi/Fyn/scene", scene("s1"))).problem(409)
        assert (problem["code"], problem["id"]) == ("scene-exists", scene_id)

    async def test_existing_scenes_are_refused_with_their_ids_or_skipped(self, fetch: Fetch, add: Add) -> None:
        first, second = await add("s1"), await add("s2")
        batch = [scene(name) for name in ("s1", "s2", "s3")]
        assert (await fetch("POST", "/aoi/Fyn/scenes", batch)).problem(409)["ids"] == {"s1": first, "s2": second}
        assert (await fetch("POST", "/aoi/Fyn/scenes?existing=refuse", batch)).problem(409)
        assert (await fetch("POST", "/aoi/Fyn/scenes?existing=skip", [scene("s1")])).json() == {
            "scenes": 0,
            "tiles": 0,
            "ids": {},
            "existing": {"s1": first},
        }
        added = (await fetch("POST", "/aoi/Fyn/scenes?existing=skip", batch)).json()
        assert (added["scenes"], added["tiles"]) == (1, 1)
        assert (list(added["ids"]), added["existing"]) == (["s3"], {"s1": first, "s2": second})
        assert len((await fetch("GET", "/aoi/Fyn/scenes")).json()) == 3

    async def test_one_existing_scene_is_refused_with_its_id_or_skipped(self, fetch: Fetch, add: Add) -> None:
        first = await add("s1")
        assert (await fetch("POST", "/aoi/Fyn/scene", scene("s1"))).problem(409)["ids"] == {"s1": first}
        skipped = await fetch("POST", "/aoi/Fyn/scene?existing=skip", scene("s1"))
        assert skipped.json() == {"id": first, "existing": {"s1": first}}
        new = (await fetch("POST", "/aoi/Fyn/scene?existing=skip", scene("s2"))).json()
        assert new == {"id": new["id"], "existing": {}}
        assert new["id"] != first

    @pytest.mark.parametrize("path", ["scene", "scenes"])
    async def test_an_unknown_value_of_existing_is_refused(self, fetch: Fetch, add: Add, path: str) -> None:
        await add("s1")
        problem = (await fetch("POST", f"/aoi/Fyn/{path}?existing=overwrite", scene("s2"))).problem(400)
        assert problem["errors"][0]["field"] == "existing"

    async def test_invalid_input_names_the_field(self, fetch: Fetch) -> None:
        await fetch("POST", "/aoi/Fyn")
        invalid = scene("s1")
        invalid["tiles"]["t1"]["data"]["tile_nr"] = "four"
        problem = (await fetch("POST", "/aoi/Fyn/scene", invalid)).problem(400)
        assert problem["errors"][0]["field"] == "tiles.t1.data.tile_nr"
        for body in ("", "{", "[]", "null", b"\xff", '{"a":1,"a":2}', "NaN", "[" * 100_000, '"' + "x" * 100_000):
            assert (await fetch("POST", "/aoi/Fyn/scene", body)).problem(400)["code"] == "invalid-input"
        assert (await fetch("POST", "/aoi/Fyn/scene", scene("s1", aoi="Als"))).problem(400)
        assert (await fetch("POST", "/aoi/Als/scene", scene("s1", aoi="Als"))).problem(404)
        assert (await fetch("GET", "/aoi/Fyn/scenes")).json() == []

    async def test_a_batch_is_atomic_in_any_order(self, fetch: Fetch) -> None:
        await fetch("POST", "/aoi/Fyn")
        chain = [scene("c", after="b"), scene("b", after="a"), scene("a")]
        response = await fetch("POST", "/aoi/Fyn/scenes", [*chain, scene("d", after="missing")])
        assert response.problem(400)
        assert (await fetch("GET", "/aoi/Fyn/scenes")).json() == []
        lines = "\n".join(json.dumps(document) for document in chain)
        added = (await fetch("POST", "/aoi/Fyn/scenes", lines, {"Content-Type": "application/x-ndjson"})).json()
        assert (added["scenes"], added["tiles"]) == (3, 3)
        assert sorted(added["ids"], key=added["ids"].__getitem__) == ["a", "b", "c"]
        assert (await fetch("POST", "/aoi/Fyn/scenes", [scene("e"), scene("a")])).problem(409)["code"] == "scene-exists"

    async def test_a_geojson_catalogue_is_ingested(self, fetch: Fetch) -> None:
        catalogue = (DATA / "tiles.json").read_bytes()
        aoi = json.loads(catalogue)["features"][0]["properties"].get("aoi") or "Fyn"
        await fetch("POST", f"/aoi/{aoi}")
        added = await fetch("POST", f"/aoi/{aoi}/scenes", catalogue, {"Content-Type": "application/geo+json"})
        assert added.status == 200, added.text
        assert added.json()["scenes"] == len(json.loads(catalogue)["features"])
        features = (await fetch("GET", f"/aoi/{aoi}/scenes?format=geojson")).json()["features"]
        assert all(feature["geometry"] for feature in features)

    async def test_scenes_without_tiles_are_refused(self, fetch: Fetch) -> None:
        example = (DATA / "example-scenes.json").read_bytes()
        await fetch("POST", "/aoi/DenmarkDemoS2")
        assert "tiles" in (await fetch("POST", "/aoi/DenmarkDemoS2/scenes", example)).problem(400)["detail"]


class TestRepairs:
    async def test_retry_and_fail(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add()
        assert (await fetch("PUT", f"/scene/{scene_id}/retry")).problem(409)["code"] == "status-does-not-allow"
        assert (await fetch("PUT", f"/scene/{scene_id}/fail")).problem(409)
        assert (await fetch("PUT", f"/scene/{scene_id}/force/retry")).status == 200
        response = await fetch("PUT", f"/scene/{scene_id}/retry", "not read")
        assert (response.status, response.body, response.media_type) == (200, b"", "")
        assert (await fetch("GET", f"/scene/{scene_id}")).json()["status"] == "PENDING"
        assert (await fetch("PUT", f"/scene/{scene_id}/force/nonsense")).problem(400)["code"] == "unknown-status"
        assert (await fetch("PUT", f"/scene/{scene_id}/fail/force")).status == 200
        assert (await fetch("GET", f"/scene/{scene_id}")).json()["status"] == "FAILED"

    async def test_retry_of_an_aoi_or_a_pattern(self, fetch: Fetch, add: Add) -> None:
        scene_ids = [await add(f"s{index}") for index in range(2)]
        assert (await fetch("PUT", "/aoi/Fyn/retry")).status == 204
        await fetch("PUT", f"/scene/{scene_ids[0]}/force/RETRY")
        assert (await fetch("PUT", "/aoi/F*/retry")).json() == {"Scenes": 1, "Tiles": 0}
        assert (await fetch("PUT", "/aoi/Fyn/retry/force")).json() == {"Scenes": 2, "Tiles": 0}
        assert (await fetch("PUT", "/aoi/nothing*/retry")).status == 204

    async def test_data_is_merged_or_replaced(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add()
        path = f"/scene/{scene_id}/data"
        assert (await fetch("PATCH", path, {"graph_name": "Other"})).status == 204
        data = (await fetch("GET", f"/scene/{scene_id}")).json()["data"]
        assert (data["graph_name"], data["date"]) == ("Other", "2022-01-04T10:34:31.024Z")
        response = await fetch(
            "PUT", path, {"graph_name": "Third"}, {"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (response.status, response.body) == (204, b"")
        assert (await fetch("GET", f"/scene/{scene_id}")).json()["data"]["date"] == "0001-01-01T00:00:00Z"
        for method in ("PUT", "PATCH"):
            for body in ("", "[]", "3", '{"unknown": 1}', '{"graph_name": 1}'):
                assert (await fetch(method, path, body)).problem(400), body
        assert (await fetch("GET", f"/scene/{scene_id}")).json()["data"]["graph_name"] == "Third"


class TestWork:
    async def test_each_result_has_an_outcome(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add()
        results = [
            {"type": "scene", "id": scene_id, "status": "RETRY", "message": "offline", "more": 1},
            {"type": "scene", "id": 77, "status": "DONE"},
            {"type": "scene", "id": scene_id, "status": "PENDING"},
            {"type": "moon", "id": 1, "status": "DONE"},
            "nonsense",
            {"type": "scene", "id": scene_id, "status": "done", "attempt": 1},
            {"type": "scene", "id": scene_id, "status": "DONE"},
        ]
        response = (await fetch("POST", "/results", results)).json()
        outcomes = [result["outcome"] for result in response["results"]]
        assert outcomes == ["applied", "unknown", "refused", "refused", "refused", "stale", "applied"]
        assert response["applied"] == 2
        assert all(result["reason"] for result in response["results"] if result["outcome"] != "applied")
        assert (await fetch("POST", "/results", [])).json() == {"applied": 0, "results": []}
        for body in ("", "{}", "3", "nonsense"):
            assert (await fetch("POST", "/results", body)).problem(400)

    async def test_jobs_are_leased_renewed_and_reported(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add()
        queue = (await fetch("GET", "/jobs/downloader")).json()
        assert (queue["queued"], queue["leased"]) == (1, 0)
        assert queue["jobs"][0]["payload"]["id"] == scene_id
        assert queue["jobs"][0]["state"] == "queued"
        request = {"max": 10, "seconds": 60, "worker": "w"}
        [job] = (await fetch("POST", "/jobs/downloader/lease", request)).json()["jobs"]
        assert job["expires"].endswith("Z")
        assert (await fetch("POST", "/jobs/downloader/lease", request)).json() == {"jobs": []}
        renewed = (await fetch("PUT", f"/jobs/downloader/lease/{job['lease']}", {"seconds": 600})).json()
        assert renewed["expires"] > job["expires"]
        [leased] = (await fetch("GET", "/jobs/downloader?state=leased")).json()["jobs"]
        assert (leased["state"], leased["worker"], leased["lease"]) == ("leased", "w", job["lease"])
        result = {"type": "scene", "id": scene_id, "status": "DONE", "attempt": job["attempt"]}
        assert (await fetch("POST", "/results", [result])).json()["applied"] == 1
        response = await fetch("PUT", f"/jobs/downloader/lease/{job['lease']}", {"seconds": 600})
        assert response.problem(404)["code"] == "lease-not-found"
        assert (await fetch("GET", "/jobs/processor?state=queued&limit=1")).json()["queued"] == 1

    async def test_a_lease_is_limited_to_aois(self, fetch: Fetch, add: Add) -> None:
        await add("s1", aoi="Fyn")
        await add("s2", aoi="Falster")
        request = {"max": 2, "seconds": 60, "worker": "w"}
        for aoi, names in (("Fa*", ["s2"]), ("Falster", []), (None, ["s1"])):
            response = await fetch("POST", "/jobs/downloader/lease", {**request, "aoi": aoi})
            assert [job["payload"]["source_id"] for job in response.json()["jobs"]] == names
        problem = (await fetch("POST", "/jobs/downloader/lease", {**request, "aoi": "Møn"})).problem(404)
        assert problem["code"] == "aoi-not-found"

    async def test_leases_are_renewed_in_one_request(self, fetch: Fetch, add: Add) -> None:
        for name in ("s1", "s2"):
            await add(name)
        request = {"max": 2, "seconds": 60, "worker": "w"}
        jobs = (await fetch("POST", "/jobs/downloader/lease", request)).json()["jobs"]
        leases = [job["lease"] for job in jobs]
        await fetch("PUT", "/scene/2/fail/force")
        renewed = await fetch("PUT", "/jobs/downloader/lease", {"leases": [*leases, "x"], "seconds": 600})
        assert renewed.json() == {"renewed": 1, "lost": [leases[1], "x"]}
        [leased] = (await fetch("GET", "/jobs/downloader?state=leased")).json()["jobs"]
        assert leased["expires"] > jobs[0]["expires"]
        problem = (await fetch("PUT", "/jobs/downloader/lease", {"leases": "x", "seconds": 600})).problem(400)
        assert [error["field"] for error in problem["errors"]] == ["leases"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"max": 0, "seconds": 60, "worker": "w"}, "max"),
            ({"max": 1001, "seconds": 60, "worker": "w"}, "max"),
            ({"max": "1", "seconds": 60, "worker": "w"}, "max"),
            ({"max": True, "seconds": 60, "worker": "w"}, "max"),
            ({"max": 1, "seconds": 0, "worker": "w"}, "seconds"),
            ({"max": 1, "seconds": 86401, "worker": "w"}, "seconds"),
            ({"max": 1, "seconds": 60}, "worker"),
            ({"max": 1, "seconds": 60, "worker": 5}, "worker"),
            ({"max": 1, "seconds": 60, "worker": "w", "more": 1}, "more"),
            ({"max": 1, "seconds": 60, "worker": "w", "aoi": 1}, "aoi"),
        ],
    )
    async def test_an_invalid_lease_names_the_field(self, fetch: Fetch, body: dict[str, Any], field: str) -> None:
        problem = (await fetch("POST", "/jobs/processor/lease", body)).problem(400)
        assert [error["field"] for error in problem["errors"]] == [field]

    async def test_jobs_are_selected_by_item(self, fetch: Fetch, add: Add) -> None:
        for name in ("s1", "s2"):
            await add(name)
        jobs = (await fetch("GET", "/jobs/downloader?item=2")).json()["jobs"]
        assert [job["payload"]["source_id"] for job in jobs] == ["s2"]
        assert (await fetch("GET", "/jobs/downloader?item=3")).json()["jobs"] == []
        assert (await fetch("GET", "/jobs/downloader?item=x")).problem(400)["errors"][0]["field"] == "id"

    async def test_unknown_queues_and_states_are_refused(self, fetch: Fetch) -> None:
        for method, path in (("GET", ""), ("POST", "/lease"), ("PUT", "/lease"), ("PUT", "/lease/x")):
            assert (await fetch(method, f"/jobs/other{path}", {})).problem(404)["code"] == "queue-not-found"
        assert (await fetch("GET", "/jobs/processor?state=done")).problem(400)["errors"][0]["field"] == "state"


class TestFailures:
    async def test_failures_are_grouped_by_message(self, fetch: Fetch, add: Add) -> None:
        assert await add("s1", tiles=("a", "b", "c")) == 1
        results = [
            {"type": "scene", "id": 1, "status": "DONE"},
            {"type": "tile", "id": 1, "status": "FAILED", "message": "exit status 1: /data/a/1"},
            {"type": "tile", "id": 2, "status": "FAILED", "message": "exit status 1: /data/b/2"},
            {"type": "tile", "id": 3, "status": "FAILED", "message": "exit status 2: /data/c/3"},
        ]
        assert (await fetch("POST", "/results", results)).json()["applied"] == 4
        first, second = (await fetch("GET", "/aoi/Fyn/failures")).json()
        history = (await fetch("GET", "/aoi/Fyn/history?type=tile&status=FAILED")).json()
        assert first == {
            "shape": "exit status 1: <path>",
            "kind": "tile",
            "count": 2,
            "retry": 0,
            "failed": 2,
            "since": history[0]["time"],
            "last": history[1]["time"],
            "example": "exit status 1: /data/a/1",
            "ids": [1, 2],
            "first_acquired": "2022-01-04",
            "last_acquired": "2022-01-04",
            "orbits": {},
            "causes": None,
        }
        assert (second["shape"], second["ids"]) == ("exit status 2: <path>", [3])
        assert [group["ids"] for group in (await fetch("GET", "/aoi/Fyn/failures?limit=1")).json()] == [[1]]

    async def test_repaired_items_are_not_listed(self, fetch: Fetch, add: Add) -> None:
        await add("s1")
        await fetch("PUT", "/scene/1/force/RETRY")
        (group,) = (await fetch("GET", "/aoi/Fyn/failures")).json()
        assert (group["shape"], group["kind"], group["retry"]) == ("(no message)", "scene", 1)
        await fetch("PUT", "/scene/1/retry")
        assert (await fetch("GET", "/aoi/Fyn/failures")).json() == []

    async def test_tiles_that_failed_with_their_scenes_are_listed_below_them(self, fetch: Fetch, add: Add) -> None:
        for source_id in ("s1", "s2"):
            await add(source_id, tiles=("a", "b", "c"))
        message = "withdrawn on {}: status 410 Gone"
        results = [
            {"type": "scene", "id": scene_id, "status": "FAILED", "message": message.format(f"2022-01-0{scene_id}")}
            for scene_id in (1, 2)
        ]
        await fetch("POST", "/results", results)
        scenes, tiles = (await fetch("GET", "/aoi/Fyn/failures")).json()
        assert (scenes["kind"], scenes["shape"], scenes["ids"]) == (
            "scene",
            "withdrawn on <date>: status 410 Gone",
            [1, 2],
        )
        assert (tiles["kind"], tiles["shape"], tiles["count"]) == ("tile", f"scene failed: {scenes['shape']}", 6)
        assert tiles["example"] == message.format("2022-01-01")
        assert tiles["causes"] == {"retry": 0, "failed": 2, "ids": [1, 2]}
        await fetch("PUT", "/scene/2/force/RETRY")
        *_, tiles = (await fetch("GET", "/aoi/Fyn/failures")).json()
        assert tiles["causes"] == {"retry": 1, "failed": 1, "ids": [2, 1]}
        # The tiles of a scene that is repaired stay FAILED, and can be retried themselves.
        for scene_id in (1, 2):
            await fetch("PUT", f"/scene/{scene_id}/force/DONE")
        (tiles,) = (await fetch("GET", "/aoi/Fyn/failures")).json()
        assert (tiles["shape"], tiles["count"], tiles["causes"]) == ("scene failed", 6, None)

    async def test_failures_belong_to_one_aoi(self, fetch: Fetch, add: Add) -> None:
        await add("s1", aoi="Als")
        await fetch("PUT", "/scene/1/force/RETRY")
        await fetch("POST", "/aoi/Fyn")
        assert (await fetch("GET", "/aoi/Fyn/failures")).json() == []
        assert (await fetch("GET", "/aoi/Nowhere/failures")).problem(404)["code"] == "aoi-not-found"


class TestBodies:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"max_body_mib": 1, "max_ingest_mib": 2}

    async def test_a_body_over_the_limit_returns_413(self, fetch: Fetch) -> None:
        body = b" " * (2**20 + 1)
        assert (await fetch("POST", "/results", body)).problem(413)["code"] == "body-too-large"
        assert (await fetch("POST", "/aoi/Fyn/scenes", body)).problem(400)
        assert (await fetch("POST", "/aoi/Fyn/scenes", body * 2)).problem(413)
        assert (await fetch("POST", "/results", b"[" + b" " * (2**20 - 2) + b"]")).status == 200

    async def test_a_compressed_body_returns_415(self, fetch: Fetch) -> None:
        response = await fetch("POST", "/results", b"\x1f\x8b", {"Content-Encoding": "gzip"})
        assert response.problem(415)["code"] == "encoded-body"


async def test_events_have_the_actor_of_the_request(fetch: Fetch) -> None:
    for actor, who in [
        (None, "token"),
        ("worker-1", "worker-1"),
        ("  ", "token"),
        ("Søren", "Søren"),
        ("x" * 500, "x" * 100),
        ("a\tb", "ab"),
    ]:
        await fetch("POST", "/aoi/Fyn", headers={"X-Workflow-Monitor-Actor": actor} if actor else {})
        assert (await fetch("GET", "/aoi/Fyn/history")).json()[-1]["who"] == who
        await fetch("DELETE", "/aoi/Fyn")

"""Looking before something is done: parts of the graph, finding, and what giving up would do."""

from __future__ import annotations

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch

pytestmark = ON_ALL_STORES


async def chain(add: Add) -> None:
    """Three scenes with a tile each, one after the other."""
    await add("s1")
    await add("s2", after="s1")
    await add("s3", after="s2")


class TestConsequences:
    async def test_they_are_told_and_do_not_happen(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await fetch("POST", "/results", [{"type": "scene", "id": n, "status": "DONE"} for n in (1, 3)])
        await fetch("POST", "/results", [{"type": "tile", "id": 1, "status": "DONE"}])
        history = (await fetch("GET", "/aoi/Fyn/history")).json()
        answer = (await fetch("GET", "/scene/2/consequences")).json()
        assert answer["counts"] == {"failed": 2, "pending": 1, "relinked": 1}
        assert [(one["type"], one["id"], one["source_id"], one["from"], one["to"]) for one in answer["changes"]] == [
            ("scene", 2, "s2", "PENDING", "FAILED"),
            ("tile", 2, "t1", "NEW", "FAILED"),
            ("tile", 3, "t1", "NEW", "NEW"),
            ("tile", 3, "t1", "NEW", "PENDING"),
        ]
        assert [one["PreviousID"] for one in answer["changes"]] == [None, None, 1, 1]
        assert (await fetch("GET", "/aoi/Fyn/history")).json() == history
        assert (await fetch("PUT", "/scene/2/fail/force")).status == 200
        happened = (await fetch("GET", "/aoi/Fyn/history")).json()[len(history) :]
        assert [(one["type"], one["id"], one["to"]) for one in happened] == [
            (one["type"], one["id"], one["to"]) for one in answer["changes"]
        ]

    async def test_what_cannot_be_given_up(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
        assert (await fetch("GET", "/scene/1/consequences")).problem(409)["code"] == "status-does-not-allow"
        assert (await fetch("GET", "/tile/99/consequences")).problem(404)["code"] in {
            "scene-not-found",
            "tile-not-found",
        }
        assert (await fetch("GET", "/tile/x/consequences")).problem(400)


class TestParts:
    async def test_a_neighbourhood_says_what_it_is(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        text = (await fetch("GET", "/aoi/Fyn/dot?around=t1&steps=1")).text
        assert text.startswith('digraph "Fyn" {\nlabel="Only tile 1 and what is at most 1 edges away" labelloc=t;\n')
        assert "t1 -> t2" in text
        assert "t3" not in text
        picture = await fetch("GET", "/aoi/Fyn/dot?around=s1&format=svg")
        assert picture.status == 200
        assert 'id="t1"' in picture.text

    async def test_folded(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
        await fetch("POST", "/results", [{"type": "tile", "id": 1, "status": "DONE"}])
        text = (await fetch("GET", "/aoi/Fyn/dot?fold=true")).text
        assert 'label="Only what is not DONE and its neighbours"' in text
        assert "t1 -> t2" in text
        assert "label" not in (await fetch("GET", "/aoi/Fyn/dot?fold=false")).text.splitlines()[1][:6]

    @pytest.mark.parametrize("query", ["around=12", "around=x1", "around=t1&steps=-1", "steps=51", "fold=yes"])
    async def test_what_is_none(self, fetch: Fetch, add: Add, query: str) -> None:
        await chain(add)
        problem = (await fetch("GET", f"/aoi/Fyn/dot?{query}")).problem(400)
        assert problem["errors"][0]["field"] in query

    async def test_around_what_is_not_there(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await add("elsewhere", aoi="Als")
        for item in ("t99", "s4"):
            assert (await fetch("GET", f"/aoi/Fyn/dot?around={item}")).problem(404)["code"] in {
                "scene-not-found",
                "tile-not-found",
            }


class TestFind:
    async def test_by_name_and_id(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        answer = (await fetch("GET", "/aoi/Fyn/find?text=S2&limit=5")).json()
        assert answer["total"] == 1
        assert answer["items"] == [
            {
                "type": "scene",
                "id": 2,
                "source_id": "s2",
                "scene_source_id": None,
                "date": "2022-01-04T10:34:31.024000Z",
                "status": "PENDING",
            }
        ]
        tiles = (await fetch("GET", "/aoi/Fyn/find?text=t1&limit=1")).json()
        assert (tiles["total"], [item["id"] for item in tiles["items"]]) == (3, [1])
        assert tiles["items"][0]["scene_source_id"] == "s1"

    @pytest.mark.parametrize("query", ["", "?text=", "?text=a&limit=0", "?text=a&limit=1001", "?text=a&limit=x"])
    async def test_what_cannot_be_looked_for(self, fetch: Fetch, add: Add, query: str) -> None:
        await chain(add)
        (await fetch("GET", f"/aoi/Fyn/find{query}")).problem(400)

    async def test_in_an_aoi_that_is_not_there(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        (await fetch("GET", "/aoi/Nowhere/find?text=a")).problem(404)

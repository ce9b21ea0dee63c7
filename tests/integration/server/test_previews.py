"""Previews of repairs, parts of the graph, and the search for items."""

from __future__ import annotations

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch

pytestmark = ON_ALL_STORES


async def chain(add: Add) -> None:
    """Add a chain of three scenes with one tile each."""
    await add("s1")
    await add("s2", after="s1")
    await add("s3", after="s2")


class TestConsequences:
    async def test_consequences_are_computed_without_changes(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await fetch("POST", "/results", [{"type": "scene", "id": n, "status": "DONE"} for n in (1, 3)])
        await fetch("POST", "/results", [{"type": "tile", "id": 1, "status": "DONE"}])
        history = (await fetch("GET", "/aoi/Fyn/history")).json()
        response = (await fetch("GET", "/scene/2/consequences")).json()
        assert response["counts"] == {"failed": 2, "pending": 1, "relinked": 1}
        assert [
            (change["type"], change["id"], change["source_id"], change["from"], change["to"])
            for change in response["changes"]
        ] == [
            ("scene", 2, "s2", "PENDING", "FAILED"),
            ("tile", 2, "t1", "NEW", "FAILED"),
            ("tile", 3, "t1", "NEW", "NEW"),
            ("tile", 3, "t1", "NEW", "PENDING"),
        ]
        assert [change["PreviousID"] for change in response["changes"]] == [None, None, 1, 1]
        assert (await fetch("GET", "/aoi/Fyn/history")).json() == history
        assert (await fetch("PUT", "/scene/2/fail/force")).status == 200
        changes = (await fetch("GET", "/aoi/Fyn/history")).json()[len(history) :]
        assert [(change["type"], change["id"], change["to"]) for change in changes] == [
            (change["type"], change["id"], change["to"]) for change in response["changes"]
        ]

    async def test_an_item_that_cannot_fail_is_refused(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
        assert (await fetch("GET", "/scene/1/consequences")).problem(409)["code"] == "status-does-not-allow"
        assert (await fetch("GET", "/tile/99/consequences")).problem(404)["code"] in {
            "scene-not-found",
            "tile-not-found",
        }
        assert (await fetch("GET", "/tile/x/consequences")).problem(400)


class TestParts:
    async def test_a_neighbourhood_has_a_title(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        text = (await fetch("GET", "/aoi/Fyn/dot?around=t1&steps=1")).text
        assert text.startswith(
            'digraph "Fyn" {\nlabel="Only tile 1 and its neighbours up to 1 edges away" labelloc=t;\n'
        )
        assert "t1 -> t2" in text
        assert "t3" not in text
        picture = await fetch("GET", "/aoi/Fyn/dot?around=s1&format=svg")
        assert picture.status == 200
        assert 'id="t1"' in picture.text

    async def test_fold_omits_done_items(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
        await fetch("POST", "/results", [{"type": "tile", "id": 1, "status": "DONE"}])
        text = (await fetch("GET", "/aoi/Fyn/dot?fold=true")).text
        assert 'label="Only items that are not DONE and their neighbours"' in text
        assert "t1 -> t2" in text
        assert "label" not in (await fetch("GET", "/aoi/Fyn/dot?fold=false")).text.splitlines()[1][:6]

    @pytest.mark.parametrize("query", ["around=12", "around=x1", "around=t1&steps=-1", "steps=51", "fold=yes"])
    async def test_invalid_parameters_return_400(self, fetch: Fetch, add: Add, query: str) -> None:
        await chain(add)
        problem = (await fetch("GET", f"/aoi/Fyn/dot?{query}")).problem(400)
        assert problem["errors"][0]["field"] in query

    async def test_the_neighbourhood_of_a_missing_item_returns_404(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        await add("elsewhere", aoi="Als")
        for item in ("t99", "s4"):
            assert (await fetch("GET", f"/aoi/Fyn/dot?around={item}")).problem(404)["code"] in {
                "scene-not-found",
                "tile-not-found",
            }


class TestFind:
    async def test_items_match_by_name(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        response = (await fetch("GET", "/aoi/Fyn/find?text=S2&limit=5")).json()
        assert response["total"] == 1
        assert response["items"] == [
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
    async def test_an_invalid_search_returns_400(self, fetch: Fetch, add: Add, query: str) -> None:
        await chain(add)
        (await fetch("GET", f"/aoi/Fyn/find{query}")).problem(400)

    async def test_a_missing_aoi_returns_404(self, fetch: Fetch, add: Add) -> None:
        await chain(add)
        (await fetch("GET", "/aoi/Nowhere/find?text=a")).problem(404)

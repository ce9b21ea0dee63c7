"""Causes of waiting, and the blockers of an AOI, over REST."""

from __future__ import annotations

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch

pytestmark = ON_ALL_STORES


async def chain(fetch: Fetch, add: Add) -> None:
    """Add a chain of three scenes with one tile each; the first scene fails, the others are DONE."""
    await add("s1")
    await add("s2", after="s1")
    await add("s3", after="s2")
    results = [
        {"type": "scene", "id": 1, "status": "RETRY", "message": "no connection to 10.0.0.1"},
        {"type": "scene", "id": 2, "status": "DONE"},
        {"type": "scene", "id": 3, "status": "DONE"},
    ]
    for _ in range(2):  # the scene has one automatic retry
        await fetch("POST", "/results", results)


class TestWhy:
    async def test_a_tile_waits_for_the_first_failure_of_its_chain(self, fetch: Fetch, add: Add) -> None:
        await chain(fetch, add)
        why = (await fetch("GET", "/tile/3/why")).json()
        assert (why["item"], why["status"]) == ({"type": "tile", "id": 3, "source_id": "t1"}, "NEW")
        steps = [(step["item"]["type"], step["item"]["id"], step["status"]) for step in why["steps"]]
        assert steps == [("tile", 3, "NEW"), ("tile", 2, "NEW"), ("tile", 1, "NEW"), ("scene", 1, "RETRY")]
        (cause,) = why["causes"]
        assert (cause["item"]["id"], cause["reason"], cause["message"]) == (1, "retry", "no connection to 10.0.0.1")
        assert (why["step_count"], why["cause_count"]) == (4, 1)

    async def test_a_job_is_queued_and_then_leased(self, fetch: Fetch, add: Add) -> None:
        await add("s1")
        (cause,) = (await fetch("GET", "/tile/1/why")).json()["causes"]
        assert (cause["item"]["type"], cause["reason"], cause["worker"], cause["until"]) == ("scene", "job", None, None)
        assert cause["since"] is not None
        await fetch("POST", "/jobs/downloader/lease", {"max": 1, "seconds": 60, "worker": "w1"})
        (cause,) = (await fetch("GET", "/scene/1/why")).json()["causes"]
        assert cause["worker"] == "w1"
        assert cause["until"] > cause["since"]

    async def test_a_reset_tile_waits_for_a_person(self, fetch: Fetch, add: Add) -> None:
        await add("s1")
        await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
        await fetch("PUT", "/tile/1/force/NEW")
        (cause,) = (await fetch("GET", "/tile/1/why")).json()["causes"]
        assert (cause["item"]["id"], cause["reason"]) == (1, "reset")

    async def test_a_done_item_waits_for_nothing(self, fetch: Fetch, add: Add) -> None:
        await add("s1")
        await fetch("POST", "/results", [{"type": "scene", "id": 1, "status": "DONE"}])
        why = (await fetch("GET", "/scene/1/why")).json()
        assert (why["status"], why["steps"], why["causes"]) == ("DONE", [], [])

    async def test_unknown_items_return_404(self, fetch: Fetch) -> None:
        assert (await fetch("GET", "/tile/99/why")).problem(404)["code"] == "tile-not-found"
        assert (await fetch("GET", "/scene/99/why")).problem(404)["code"] == "scene-not-found"
        assert (await fetch("GET", "/tile/x/why")).problem(400)


class TestBlockers:
    async def test_blockers_are_ranked_with_their_failure_group(self, fetch: Fetch, add: Add) -> None:
        await chain(fetch, add)
        (blocker,) = (await fetch("GET", "/aoi/Fyn/blockers")).json()
        assert blocker["item"] == {"type": "scene", "id": 1, "source_id": "s1"}
        assert (blocker["status"], blocker["blocked"], blocker["startable"]) == ("RETRY", 3, 3)
        (group,) = (await fetch("GET", "/aoi/Fyn/failures")).json()
        assert blocker["group"] == group["shape"]

    async def test_repaired_items_are_no_blockers(self, fetch: Fetch, add: Add) -> None:
        await chain(fetch, add)
        await fetch("PUT", "/scene/1/retry")
        assert (await fetch("GET", "/aoi/Fyn/blockers")).json() == []

    async def test_an_empty_aoi_has_no_blockers(self, fetch: Fetch) -> None:
        await fetch("POST", "/aoi/Empty")
        assert (await fetch("GET", "/aoi/Empty/blockers")).json() == []
        assert (await fetch("GET", "/aoi/Unknown/blockers")).problem(404)["code"] == "aoi-not-found"
        assert (await fetch("GET", "/aoi/Empty/blockers?limit=0")).problem(400)

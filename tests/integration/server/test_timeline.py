"""Counts over time and running jobs of an AOI."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch, scene

pytestmark = ON_ALL_STORES


async def test_the_timeline_has_counts_and_running_jobs(fetch: Fetch, add: Add) -> None:
    await add("s1", tiles=("a", "b"))
    await add("s2")
    lease = {"max": 1, "seconds": 300, "worker": "Åse"}
    assert len((await fetch("POST", "/jobs/downloader/lease", lease)).json()["jobs"]) == 1
    await fetch("POST", "/results", [{"type": "scene", "id": 2, "status": "DONE"}])
    response = (await fetch("GET", "/aoi/Fyn/timeline?steps=10")).json()
    assert {len(counts) for kind in ("scenes", "tiles") for counts in response[kind].values()} == {10}
    assert {status: counts[-1] for status, counts in response["scenes"].items()} == {
        "new": 0,
        "pending": 1,
        "done": 1,
        "retry": 0,
        "failed": 0,
    }
    assert [response["tiles"][status][-1] for status in ("new", "pending")] == [2, 1]
    assert sum(response["finished"]["scenes"]) == 1
    since, until = (datetime.fromisoformat(response[name]) for name in ("since", "until"))
    assert (until - since).total_seconds() == pytest.approx(response["seconds"] * 10, abs=1e-4)
    running = response["running"]
    assert running["total"] == 2
    assert [(job["type"], job["id"], job["source_id"], job["leased"], job["worker"]) for job in running["jobs"]] == [
        ("scene", 1, "s1", True, "Åse"),
        ("tile", 3, "t1", False, None),
    ]


async def test_counts_before_the_first_event_are_zero(fetch: Fetch, add: Add) -> None:
    await add("s1")
    now = datetime.now(UTC)
    since = (now - timedelta(hours=1)).isoformat().replace("+", "%2B")
    response = (await fetch("GET", f"/aoi/Fyn/timeline?steps=4&since={since}")).json()
    assert response["scenes"]["pending"] == [0, 0, 0, 1]
    until = (now - timedelta(minutes=30)).isoformat().replace("+", "%2B")
    response = (await fetch("GET", f"/aoi/Fyn/timeline?steps=2&since={since}&until={until}")).json()
    assert response["scenes"]["pending"] == [0, 0]


async def test_an_empty_aoi_has_zero_counts(fetch: Fetch) -> None:
    await fetch("POST", "/aoi/Fyn")
    response = (await fetch("GET", "/aoi/Fyn/timeline?steps=3")).json()
    assert response["tiles"] == {status: [0, 0, 0] for status in ("new", "pending", "done", "retry", "failed")}
    assert response["running"] == {"total": 0, "jobs": []}
    assert response["seconds"] == 1200


@pytest.mark.parametrize(
    "query",
    ["steps=0", "steps=1001", "steps=x", "since=yesterday", "since=2022-01-04T00:00:00Z&until=2022-01-04T00:00:00Z"],
)
async def test_invalid_times_return_400(fetch: Fetch, query: str) -> None:
    await fetch("POST", "/aoi/Fyn")
    assert (await fetch("GET", f"/aoi/Fyn/timeline?{query}")).problem(400)["errors"]


async def test_a_pattern_returns_404(fetch: Fetch) -> None:
    (await fetch("GET", "/aoi/F*/timeline")).problem(404)


EDGES = ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000001Z", "0001-01-01T00:30:00Z", "0001-01-01T00:00:00%2B14:00")
ENDS = ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-12:00", "9999-12-31T23:00:00Z")


@pytest.mark.parametrize("until", [None, *EDGES, *ENDS])
async def test_times_at_both_ends_of_the_calendar(fetch: Fetch, add: Add, until: str | None) -> None:
    await add("s1")
    await fetch("POST", "/aoi/Empty")
    for since, aoi, steps in product((None, *EDGES), ("Fyn", "Empty"), (1, 1000)):
        bounds = "&".join(f"{name}={time}" for name, time in (("since", since), ("until", until)) if time)
        response = await fetch("GET", f"/aoi/{aoi}/timeline?steps={steps}&{bounds}")
        if response.status == 400:
            assert response.problem(400)["errors"][0]["field"] == "since"
            assert since is not None
            assert until in EDGES
        else:
            timeline = response.json()
            assert len(timeline["scenes"]["pending"]) == steps
            assert datetime.fromisoformat(timeline["since"]) < datetime.fromisoformat(timeline["until"])
            assert timeline["scenes"]["pending"][-1] == (aoi == "Fyn" and until not in EDGES)
        response = await fetch("GET", f"/aoi/{aoi}/history?{bounds}")
        assert response.status == 200, response.text
        assert bool(response.json()) is (until not in EDGES)


async def test_a_scene_at_the_end_of_the_calendar(fetch: Fetch) -> None:
    await fetch("POST", "/aoi/Fyn")
    dates = ("0002-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999999999Z")
    for number, date in enumerate(dates):
        document = scene(f"s{number}")
        document["data"]["date"] = date
        assert (await fetch("POST", "/aoi/Fyn/scene", document)).status == 200
    for path in (
        "/aoi/Fyn",
        "/aoi/Fyn?format=json",
        "/scene/2",
        "/scene/2?format=geojson",
        *(
            f"/aoi/Fyn/{name}"
            for name in ("scenes", "scenes?format=geojson", "scenes?format=arrow", "tiles?format=arrow")
        ),
        *(
            f"/aoi/Fyn/{name}"
            for name in ("footprints", "lanes", "timeline", "history", "find?text=s", "dot", "failures")
        ),
    ):
        assert (await fetch("GET", path)).status == 200, path

"""Counts over time and running jobs of an AOI."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch

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

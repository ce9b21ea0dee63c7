from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, Add, Fetch

pytestmark = ON_ALL_STORES


async def test_numbers_over_time_and_what_is_running(fetch: Fetch, add: Add) -> None:
    await add("s1", tiles=("a", "b"))
    await add("s2")
    lease = {"max": 1, "seconds": 300, "worker": "Åse"}
    assert len((await fetch("POST", "/jobs/downloader/lease", lease)).json()["jobs"]) == 1
    await fetch("POST", "/results", [{"type": "scene", "id": 2, "status": "DONE"}])
    answer = (await fetch("GET", "/aoi/Fyn/timeline?steps=10")).json()
    assert {len(numbers) for of in ("scenes", "tiles") for numbers in answer[of].values()} == {10}
    assert {status: numbers[-1] for status, numbers in answer["scenes"].items()} == {
        "new": 0,
        "pending": 1,
        "done": 1,
        "retry": 0,
        "failed": 0,
    }
    assert [answer["tiles"][status][-1] for status in ("new", "pending")] == [2, 1]
    assert sum(answer["finished"]["scenes"]) == 1
    since, until = (datetime.fromisoformat(answer[name]) for name in ("since", "until"))
    assert (until - since).total_seconds() == pytest.approx(answer["seconds"] * 10, abs=1e-4)
    running = answer["running"]
    assert running["total"] == 2
    assert [(job["type"], job["id"], job["source_id"], job["leased"], job["worker"]) for job in running["jobs"]] == [
        ("scene", 1, "s1", True, "Åse"),
        ("tile", 3, "t1", False, None),
    ]


async def test_before_anything_happened_there_was_nothing(fetch: Fetch, add: Add) -> None:
    await add("s1")
    now = datetime.now(UTC)
    since = (now - timedelta(hours=1)).isoformat().replace("+", "%2B")
    answer = (await fetch("GET", f"/aoi/Fyn/timeline?steps=4&since={since}")).json()
    assert answer["scenes"]["pending"] == [0, 0, 0, 1]
    until = (now - timedelta(minutes=30)).isoformat().replace("+", "%2B")
    answer = (await fetch("GET", f"/aoi/Fyn/timeline?steps=2&since={since}&until={until}")).json()
    assert answer["scenes"]["pending"] == [0, 0]


async def test_an_aoi_in_which_nothing_happened(fetch: Fetch) -> None:
    await fetch("POST", "/aoi/Fyn")
    answer = (await fetch("GET", "/aoi/Fyn/timeline?steps=3")).json()
    assert answer["tiles"] == {status: [0, 0, 0] for status in ("new", "pending", "done", "retry", "failed")}
    assert answer["running"] == {"total": 0, "jobs": []}
    assert answer["seconds"] == 1200


@pytest.mark.parametrize(
    "query",
    ["steps=0", "steps=1001", "steps=x", "since=yesterday", "since=2022-01-04T00:00:00Z&until=2022-01-04T00:00:00Z"],
)
async def test_what_is_no_time(fetch: Fetch, query: str) -> None:
    await fetch("POST", "/aoi/Fyn")
    assert (await fetch("GET", f"/aoi/Fyn/timeline?{query}")).problem(400)["errors"]


async def test_of_an_aoi_that_is_not_there(fetch: Fetch) -> None:
    (await fetch("GET", "/aoi/F*/timeline")).problem(404)

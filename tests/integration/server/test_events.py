"""The stream of events: live, resumed without gap or repeat, bounded; and the history."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.integration.server.conftest import ON_ALL_STORES, PREFIX, Add, Fetch, scene
from tests.raw_http import RawAnswer, raw_get
from workflow_monitor.server.backend import Backend

pytestmark = ON_ALL_STORES

Stream = Callable[..., AbstractAsyncContextManager[RawAnswer]]


@pytest.fixture
def stream(http_server_client: Any, jp_auth_header: dict[str, str]) -> Stream:
    def opened(path: str, **headers: str) -> AbstractAsyncContextManager[RawAnswer]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return raw_get(http_server_client.get_http_port(), PREFIX + path, {**jp_auth_header, **named})

    return opened


@pytest.fixture
def backend(jp_serverapp: Any) -> Backend:
    found: Backend = jp_serverapp.web_app.settings["workflow_monitor"].backend
    return found


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_happens_is_streamed(fetch: Fetch, stream: Stream) -> None:
    await fetch("POST", "/aoi/Als")
    async with stream("/events") as all_events, stream("/aoi/Als/events") as of_als:
        assert all_events.status == 200
        assert all_events.headers["content-type"] == "text/event-stream"
        assert all_events.headers["cache-control"] == "no-cache"
        assert all_events.headers["x-accel-buffering"] == "no"
        await all_events.block()
        await of_als.block()
        await fetch("POST", "/aoi/Fyn")
        number = (await fetch("POST", "/aoi/Als/scene", scene("s1", aoi="Als"))).json()["id"]
        created, *items = await all_events.events(3)
        tile, added = sorted(items, key=lambda one: one.data["type"] == "scene")
        assert (created.event, created.data["aoi"], created.data["cause"]) == ("transition", "Fyn", "create")
        assert (added.data["type"], added.data["id"], added.data["to"]) == ("scene", number, "PENDING")
        assert await of_als.events(2) == items
        assert [one.id for one in (created, added, tile)] == [one.data["seq"] for one in (created, added, tile)]


async def test_a_stream_goes_on_where_it_was(fetch: Fetch, stream: Stream) -> None:
    for number in range(5):
        await fetch("POST", f"/aoi/a{number}")
    async with stream("/events?after=0") as whole:
        everything = await whole.events(5)
    for header, query in (({"Last_Event_ID": str(everything[2].id)}, ""), ({}, f"?after={everything[2].id}")):
        async with stream(f"/events{query}", **header) as rest:
            await fetch("POST", f"/aoi/new{len(query)}")
            assert (await rest.events(3))[:2] == everything[3:5]


async def test_nothing_is_missed_or_repeated_by_who_comes_and_goes(fetch: Fetch, stream: Stream) -> None:
    total = 300
    await fetch("POST", "/aoi/Fyn")

    async def follow() -> list[int]:
        seen: list[int] = []
        last = "0"
        while len(seen) < total + 1:
            async with stream("/events", Last_Event_ID=last) as part:
                for one in await part.events(min(7 + len(seen) % 13, total + 1 - len(seen))):
                    seen.append(one.data["seq"])
                    last = str(one.id)
        return seen

    async def write(start: int) -> None:
        for number in range(start, total // 2, 3):
            await fetch("POST", "/aoi/Fyn/scene", scene(f"s{number}"))

    followers = [asyncio.ensure_future(follow()) for _ in range(5)]
    await asyncio.gather(*(write(start) for start in range(3)))
    expected = [event["seq"] for event in (await fetch("GET", "/aoi/Fyn/history")).json()]
    assert len(expected) == total + 1
    for seen in await asyncio.gather(*followers):
        assert seen == expected


async def test_more_at_once_than_is_buffered_is_read_from_the_store(fetch: Fetch, stream: Stream) -> None:
    await fetch("POST", "/aoi/Fyn")
    async with stream("/events") as followed:
        await followed.block()
        await fetch("POST", "/aoi/Fyn/scenes", [scene(f"s{number}", tiles=("a", "b")) for number in range(1000)])
        await fetch("POST", "/aoi/Als")
        seen = [one.data for one in await followed.events(3001)]
    assert seen[:-1] == (await fetch("GET", "/aoi/Fyn/history")).json()[1:]
    assert seen[-1]["aoi"] == "Als"


async def test_numbers_of_another_store_lead_to_a_fresh_start(fetch: Fetch, stream: Stream) -> None:
    await fetch("POST", "/aoi/Fyn")
    async with stream("/events", Last_Event_ID="1000000") as followed:
        [resync] = await followed.events(1)
        assert (resync.event, resync.data) == ("resync", {})
        await fetch("POST", "/aoi/Als")
        assert [one.data["aoi"] for one in await followed.events(1)] == ["Als"]


@pytest.mark.parametrize("wrong", ["abc", "-1", "1.5", "9" * 30, "%D9%A1"])
async def test_what_is_no_number_of_an_event_is_400(fetch: Fetch, wrong: str) -> None:
    assert (await fetch("GET", f"/events?after={wrong}")).problem(400)["errors"][0]["field"] == "after"


class TestSilence:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"keep_alive_seconds": 0.05}

    async def test_a_silent_stream_shows_that_it_lives(self, stream: Stream) -> None:
        async with stream("/events") as followed:
            await followed.block()
            assert [await followed.block() for _ in range(3)] == [": keep-alive\n\n"] * 3


async def test_a_stream_is_there_only_when_it_is_known_from_where_on(stream: Stream, backend: Backend) -> None:
    """Else what whoever follows does next could be taken for what was before."""
    may_go_on = threading.Event()
    held = [asyncio.ensure_future(backend.run(may_go_on.wait, 30)) for _ in range(backend.threads)]

    async def open_and_close() -> None:
        async with stream("/events"):
            pass

    opening = asyncio.ensure_future(open_and_close())
    assert not (await asyncio.wait([opening], timeout=0.5))[0]
    may_go_on.set()
    await asyncio.gather(opening, *held)


class TestLimits:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {
            "max_streams": 2,
            "slow_reader_seconds": 0.3,
            "keep_alive_seconds": 0.1,
            "max_message_length": 1_000_000,
        }

    async def test_so_many_streams_and_no_more(self, fetch: Fetch, stream: Stream, backend: Backend) -> None:
        async with stream("/events") as first, stream("/events") as second:
            await first.block()
            await second.block()
            answer = await fetch("GET", "/events")
            assert answer.problem(429)["code"] == "too-many-streams"
            assert answer.headers["Retry-After"]
        await _until(lambda: backend.streams == 0)
        async with stream("/events") as third:
            assert third.status == 200
        engine = await backend.engine()
        await _until(lambda: engine.feed.followers == 0)

    async def test_who_does_not_read_is_let_go(self, fetch: Fetch, add: Add, stream: Stream, backend: Backend) -> None:
        number = await add()
        async with stream("/events") as followed:
            await followed.block()
            for _ in range(60):
                await fetch(
                    "POST", "/results", [{"type": "scene", "id": number, "status": "RETRY", "message": "x" * 500_000}]
                )
                await fetch("PUT", f"/scene/{number}/force/RETRY")
                await fetch("PUT", f"/scene/{number}/retry")
                if backend.streams == 0:
                    break
            await _until(lambda: backend.streams == 0)
        assert (await fetch("GET", "/")).status == 200

    async def test_streams_do_not_keep_an_idle_server_awake(
        self, fetch: Fetch, stream: Stream, backend: Backend, jp_web_app: Any
    ) -> None:
        await fetch("POST", "/aoi/Fyn")
        before = jp_web_app.settings["api_last_activity"]
        async with stream("/events") as followed:
            await followed.block()
        for path in ("/", "/jobs/processor", "/aoi/Fyn/history"):
            await fetch("GET", path)
        await _until(lambda: backend.streams == 0)
        assert jp_web_app.settings["api_last_activity"] == before


async def test_the_end_of_the_server_ends_the_streams(stream: Stream, backend: Backend) -> None:
    async with stream("/events") as followed:
        await followed.block()
        await backend.close()
        async with asyncio.timeout(10):
            assert await followed.reader.read() == b""


class TestHistory:
    async def test_filters(self, fetch: Fetch, add: Add) -> None:
        first, second = await add("s1"), await add("s2")
        await fetch("POST", "/results", [{"type": "scene", "id": first, "status": "DONE", "message": "well done"}])
        everything = (await fetch("GET", "/aoi/Fyn/history")).json()
        assert [event["seq"] for event in everything] == sorted(event["seq"] for event in everything)
        assert everything[0]["type"] == "aoi"
        done = next(event for event in everything if event["to"] == "DONE")
        assert (done["from"], done["id"], done["cause"], done["who"]) == ("PENDING", first, "result", "token")
        assert done["time"].endswith("Z")

        async def chosen(query: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await fetch("GET", f"/aoi/Fyn/history?{query}")).json()
            return found

        assert await chosen("status=done") == [done]
        assert {event["id"] for event in await chosen(f"type=scene&id={second}")} == {second}
        assert {event["type"] for event in await chosen("type=tile")} == {"tile"}
        assert await chosen(f"since={done['time']}") == [event for event in everything if event["time"] >= done["time"]]
        assert await chosen(f"until={done['time']}") == [event for event in everything if event["time"] < done["time"]]
        shifted = "2000-01-01T00:00:00%2B01:00"
        assert await chosen(f"since={shifted}") == everything
        assert await chosen(f"until={shifted}") == []
        assert await chosen("limit=2") + await chosen("limit=2&page=1") == everything[:4]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("since=yesterday", "since"),
            ("until=2022-01-04", "until"),
            ("since=2022-01-04T10:00:00", "since"),
            ("type=moon", "type"),
            ("id=3", "type"),
            ("type=scene&id=x", "id"),
        ],
    )
    async def test_wrong_filters(self, fetch: Fetch, query: str, field: str) -> None:
        await fetch("POST", "/aoi/Fyn")
        assert (await fetch("GET", f"/aoi/Fyn/history?{query}")).problem(400)["errors"][0]["field"] == field

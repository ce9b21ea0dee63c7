"""The stream of events, live and resumed without a gap or a repeat; its limits; the history."""

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
    def open_stream(path: str, **headers: str) -> AbstractAsyncContextManager[RawAnswer]:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        return raw_get(http_server_client.get_http_port(), PREFIX + path, {**jp_auth_header, **extra})

    return open_stream


@pytest.fixture
def backend(jp_serverapp: Any) -> Backend:
    backend: Backend = jp_serverapp.web_app.settings["workflow_monitor"].backend
    return backend


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_transitions_are_streamed(fetch: Fetch, stream: Stream) -> None:
    await fetch("POST", "/aoi/Als")
    async with stream("/events") as all_events, stream("/aoi/Als/events") as of_als:
        assert all_events.status == 200
        assert all_events.headers["content-type"] == "text/event-stream"
        assert all_events.headers["cache-control"] == "no-cache"
        assert all_events.headers["x-accel-buffering"] == "no"
        await all_events.block()
        await of_als.block()
        await fetch("POST", "/aoi/Fyn")
        scene_id = (await fetch("POST", "/aoi/Als/scene", scene("s1", aoi="Als"))).json()["id"]
        created, *items = await all_events.events(3)
        tile, added = sorted(items, key=lambda event: event.data["type"] == "scene")
        assert (created.event, created.data["aoi"], created.data["cause"]) == ("transition", "Fyn", "create")
        assert (added.data["type"], added.data["id"], added.data["to"]) == ("scene", scene_id, "PENDING")
        assert await of_als.events(2) == items
        assert [event.id for event in (created, added, tile)] == [event.data["seq"] for event in (created, added, tile)]


async def test_a_stream_resumes_after_the_last_event(fetch: Fetch, stream: Stream) -> None:
    for number in range(5):
        await fetch("POST", f"/aoi/a{number}")
    async with stream("/events?after=0") as whole:
        everything = await whole.events(5)
    for header, query in (({"Last_Event_ID": str(everything[2].id)}, ""), ({}, f"?after={everything[2].id}")):
        async with stream(f"/events{query}", **header) as rest:
            await fetch("POST", f"/aoi/new{len(query)}")
            assert (await rest.events(3))[:2] == everything[3:5]


async def test_reconnecting_clients_receive_each_event_once(fetch: Fetch, stream: Stream) -> None:
    total = 300
    await fetch("POST", "/aoi/Fyn")

    async def follow() -> list[int]:
        received: list[int] = []
        last = "0"
        while len(received) < total + 1:
            async with stream("/events", Last_Event_ID=last) as part:
                for event in await part.events(min(7 + len(received) % 13, total + 1 - len(received))):
                    received.append(event.data["seq"])
                    last = str(event.id)
        return received

    async def write(start: int) -> None:
        for number in range(start, total // 2, 3):
            await fetch("POST", "/aoi/Fyn/scene", scene(f"s{number}"))

    followers = [asyncio.ensure_future(follow()) for _ in range(5)]
    await asyncio.gather(*(write(start) for start in range(3)))
    expected = [event["seq"] for event in (await fetch("GET", "/aoi/Fyn/history")).json()]
    assert len(expected) == total + 1
    for received in await asyncio.gather(*followers):
        assert received == expected


async def test_a_batch_larger_than_the_buffer_is_read_from_the_store(fetch: Fetch, stream: Stream) -> None:
    await fetch("POST", "/aoi/Fyn")
    async with stream("/events") as followed:
        await followed.block()
        await fetch("POST", "/aoi/Fyn/scenes", [scene(f"s{number}", tiles=("a", "b")) for number in range(1000)])
        await fetch("POST", "/aoi/Als")
        received = [event.data for event in await followed.events(3001)]
    assert received[:-1] == (await fetch("GET", "/aoi/Fyn/history")).json()[1:]
    assert received[-1]["aoi"] == "Als"


async def test_a_sequence_number_of_another_store_causes_a_resync(fetch: Fetch, stream: Stream) -> None:
    await fetch("POST", "/aoi/Fyn")
    async with stream("/events", Last_Event_ID="1000000") as followed:
        [resync] = await followed.events(1)
        assert (resync.event, resync.data) == ("resync", {})
        await fetch("POST", "/aoi/Als")
        assert [event.data["aoi"] for event in await followed.events(1)] == ["Als"]


@pytest.mark.parametrize("wrong", ["abc", "-1", "1.5", "9" * 30, "%D9%A1"])
async def test_a_malformed_sequence_number_returns_400(fetch: Fetch, wrong: str) -> None:
    assert (await fetch("GET", f"/events?after={wrong}")).problem(400)["errors"][0]["field"] == "after"


class TestKeepAlive:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"keep_alive_seconds": 0.05}

    async def test_an_idle_stream_sends_keep_alive_comments(self, stream: Stream) -> None:
        async with stream("/events") as followed:
            await followed.block()
            assert [await followed.block() for _ in range(3)] == [": keep-alive\n\n"] * 3


async def test_a_stream_opens_after_its_start_position_is_read(stream: Stream, backend: Backend) -> None:
    """A client may write as soon as its stream is open; the stream must start before that write."""
    release = threading.Event()
    blocked = [asyncio.ensure_future(backend.run(release.wait, 30)) for _ in range(backend.threads)]

    async def open_and_close() -> None:
        async with stream("/events"):
            pass

    opening = asyncio.ensure_future(open_and_close())
    assert not (await asyncio.wait([opening], timeout=0.5))[0]
    release.set()
    await asyncio.gather(opening, *blocked)


class TestLimits:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {
            "max_streams": 2,
            "slow_reader_seconds": 0.3,
            "keep_alive_seconds": 0.1,
            "max_message_length": 1_000_000,
        }

    async def test_the_number_of_streams_is_limited(self, fetch: Fetch, stream: Stream, backend: Backend) -> None:
        async with stream("/events") as first, stream("/events") as second:
            await first.block()
            await second.block()
            response = await fetch("GET", "/events")
            assert response.problem(429)["code"] == "too-many-streams"
            assert response.headers["Retry-After"]
        await _until(lambda: backend.streams == 0)
        async with stream("/events") as third:
            assert third.status == 200
        engine = await backend.engine()
        await _until(lambda: engine.feed.followers == 0)

    async def test_a_stream_without_a_reader_is_closed(
        self, fetch: Fetch, add: Add, stream: Stream, backend: Backend
    ) -> None:
        scene_id = await add()
        async with stream("/events") as followed:
            await followed.block()
            for _ in range(60):
                await fetch(
                    "POST", "/results", [{"type": "scene", "id": scene_id, "status": "RETRY", "message": "x" * 500_000}]
                )
                await fetch("PUT", f"/scene/{scene_id}/force/RETRY")
                await fetch("PUT", f"/scene/{scene_id}/retry")
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


async def test_closing_the_backend_ends_the_streams(stream: Stream, backend: Backend) -> None:
    async with stream("/events") as followed:
        await followed.block()
        await backend.close()
        async with asyncio.timeout(60):
            assert await followed.reader.read() == b""


class TestHistory:
    async def test_filters_select_events(self, fetch: Fetch, add: Add) -> None:
        first, second = await add("s1"), await add("s2")
        await fetch("POST", "/results", [{"type": "scene", "id": first, "status": "DONE", "message": "well done"}])
        everything = (await fetch("GET", "/aoi/Fyn/history")).json()
        assert [event["seq"] for event in everything] == sorted(event["seq"] for event in everything)
        assert everything[0]["type"] == "aoi"
        done = next(event for event in everything if event["to"] == "DONE")
        assert (done["from"], done["id"], done["cause"], done["who"]) == ("PENDING", first, "result", "token")
        assert done["time"].endswith("Z")

        async def select(query: str) -> list[dict[str, Any]]:
            events: list[dict[str, Any]] = (await fetch("GET", f"/aoi/Fyn/history?{query}")).json()
            return events

        assert await select("status=done") == [done]
        assert {event["id"] for event in await select(f"type=scene&id={second}")} == {second}
        assert {event["type"] for event in await select("type=tile")} == {"tile"}
        assert await select(f"since={done['time']}") == [event for event in everything if event["time"] >= done["time"]]
        assert await select(f"until={done['time']}") == [event for event in everything if event["time"] < done["time"]]
        shifted = "2000-01-01T00:00:00%2B01:00"
        assert await select(f"since={shifted}") == everything
        assert await select(f"until={shifted}") == []
        assert await select("limit=2") + await select("limit=2&page=1") == everything[:4]

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
    async def test_invalid_filters_name_the_field(self, fetch: Fetch, query: str, field: str) -> None:
        await fetch("POST", "/aoi/Fyn")
        assert (await fetch("GET", f"/aoi/Fyn/history?{query}")).problem(400)["errors"][0]["field"] == field

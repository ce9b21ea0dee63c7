"""Compressed responses, and responses to HEAD."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.integration.server.conftest import PREFIX, Add, Fetch, scene
from tests.raw_http import WholeResponse, raw_get, raw_request
from workflow_monitor.server.handlers.response import FLUSH_SIZE, SMALL_BODY
from workflow_monitor.server.routes import ROUTES

GZIP = {"Accept-Encoding": "gzip"}
Send = Callable[..., Awaitable[WholeResponse]]
FILLED = {"aoi": "Fyn", "id": "1", "status": "DONE", "queue": "processor", "lease": "none"}


@pytest.fixture
def send(http_server_client: Any, jp_auth_header: dict[str, str]) -> Send:
    async def send_raw(method: str, path: str, headers: Mapping[str, str] | None = None) -> WholeResponse:
        port = http_server_client.get_http_port()
        return await raw_request(port, method, PREFIX + path, {**jp_auth_header, **(headers or {})})

    return send_raw


async def add_scenes(fetch: Fetch, count: int) -> None:
    await fetch("POST", "/aoi/Fyn")
    response = await fetch("POST", "/aoi/Fyn/scenes", [scene(f"s{number:04}") for number in range(count)])
    assert response.status == 200


@pytest.mark.parametrize(("count", "at_least"), [(4, 1024), (200, SMALL_BODY), (1_000, FLUSH_SIZE)])
async def test_lists_are_compressed_on_request(fetch: Fetch, send: Send, count: int, at_least: int) -> None:
    await add_scenes(fetch, count)
    plain = await send("GET", "/aoi/Fyn/scenes")
    assert len(plain.body) >= at_least
    assert "content-encoding" not in plain.headers
    compressed = await send("GET", "/aoi/Fyn/scenes", GZIP)
    assert compressed.headers["content-encoding"] == "gzip"
    assert len(compressed.body) < len(plain.body) / 3
    assert gzip.decompress(compressed.body) == plain.body
    for response in (plain, compressed):
        assert response.headers["vary"] == "Accept, Accept-Encoding"
        assert int(response.headers.get("content-length", len(response.body))) == len(response.body)


async def test_documents_and_errors_are_compressed_on_request(fetch: Fetch, send: Send) -> None:
    await add_scenes(fetch, 200)
    for path, headers in (
        ("/openapi.json", {}),
        ("/docs", {}),
        ("/aoi/Fyn/dot", {}),
        ("/aoi/Fyn/lanes", {}),
        ("/aoi/Fyn/scenes", {"Accept": "application/vnd.apache.arrow.stream"}),
        ("/aoi/Fyn/history", {}),
    ):
        compressed = await send("GET", path, {**GZIP, **headers})
        assert compressed.headers["content-encoding"] == "gzip", path
        assert gzip.decompress(compressed.body) == (await send("GET", path, headers)).body, path
    long = {"Accept": "application/json", **GZIP}
    error = await send("GET", f"/aoi/{'%01' * 2000}", long)
    assert error.status == 404
    if "content-encoding" in error.headers:
        assert json.loads(gzip.decompress(error.body))["status"] == 404


async def test_small_bodies_and_refused_codings_are_sent_as_they_are(fetch: Fetch, send: Send) -> None:
    await add_scenes(fetch, 4)
    small = await send("GET", "/", GZIP)
    assert (small.body, small.headers.get("content-encoding")) == (b"ingester ok", None)
    assert small.headers["vary"] == "Accept, Accept-Encoding"
    for coding in ("gzip;q=0", "br", "identity", "*;q=0"):
        response = await send("GET", "/aoi/Fyn/scenes", {"Accept-Encoding": coding})
        assert "content-encoding" not in response.headers, coding


async def test_event_streams_are_not_compressed(
    http_server_client: Any, jp_auth_header: dict[str, str], fetch: Fetch, add: Add
) -> None:
    await add()
    port = http_server_client.get_http_port()
    async with raw_get(port, f"{PREFIX}/events?after=0", {**jp_auth_header, **GZIP}) as stream:
        assert "content-encoding" not in stream.headers
        assert (await stream.events(1))[0].id == 1
        await add("s2")
        while (await stream.events(1))[0].data["id"] != 2:
            pass


async def test_the_etag_is_the_same_for_both_codings(fetch: Fetch, send: Send) -> None:
    await add_scenes(fetch, 100)
    plain, compressed = await send("GET", "/aoi/Fyn/scenes"), await send("GET", "/aoi/Fyn/scenes", GZIP)
    assert plain.headers["etag"] == compressed.headers["etag"]
    assert plain.headers["etag"].startswith('W/"')
    for method in ("GET", "HEAD"):
        for headers in ({}, GZIP):
            fresh = await send(method, "/aoi/Fyn/scenes", {**headers, "If-None-Match": plain.headers["etag"]})
            assert (fresh.status, fresh.body) == (304, b"")
            assert fresh.headers["etag"] == plain.headers["etag"]
            assert "content-encoding" not in fresh.headers
    await fetch("PUT", "/scene/1/force/DONE")
    assert (await send("GET", "/aoi/Fyn/scenes", {"If-None-Match": plain.headers["etag"]})).status == 200


@pytest.mark.parametrize("headers", [{}, GZIP, {"Accept": "application/json"}])
async def test_head_returns_the_headers_of_get(fetch: Fetch, send: Send, headers: Mapping[str, str]) -> None:
    await add_scenes(fetch, 1_000)
    paths = [route.path.format(**FILLED) for route in ROUTES if "get" in route.operations]
    for path in [*paths, "/aoi/Nowhere", "/scene/x", "/no/such/path"]:
        if path.endswith("/events"):
            continue
        get, head = await send("GET", path, headers), await send("HEAD", path, headers)
        assert (head.status, head.body) == (get.status, b""), path
        for each in (get, head):
            for changing in ("date", "set-cookie"):
                each.headers.pop(changing, None)
            if path.endswith("/timeline"):  # its end is the time of the request
                each.headers.pop("etag"), each.headers.pop("content-length")
        assert head.headers == get.headers, path


async def test_head_of_a_stream_ends(send: Send, add: Add) -> None:
    await add()
    for path in ("/events", "/aoi/Fyn/events"):
        response = await send("HEAD", path)
        assert (response.status, response.body) == (200, b"")
        assert response.headers["content-type"] == "text/event-stream"
    assert (await send("HEAD", "/aoi/Nowhere/events")).status == 404


async def test_a_connection_is_reusable_after_head(
    fetch: Fetch, http_server_client: Any, jp_auth_header: dict[str, str]
) -> None:
    await add_scenes(fetch, 1_000)

    def lengths(headers: Mapping[str, str]) -> list[int]:
        with closing(HTTPConnection("127.0.0.1", http_server_client.get_http_port())) as connection:
            bodies = []
            for method in ("HEAD", "GET", "HEAD", "GET"):
                connection.request(method, f"{PREFIX}/aoi/Fyn/scenes", headers={**jp_auth_header, **headers})
                response = connection.getresponse()
                assert response.status == 200
                bodies.append(len(response.read()))
        return bodies

    for headers in ({}, GZIP):
        head, first, again, second = await asyncio.to_thread(lengths, headers)
        assert (head, again) == (0, 0)
        assert first == second > 1024

"""Long answers: no faster than they are read, given up when nobody reads, and never cut short unnoticed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from tests.integration.server.conftest import PREFIX, Fetch, scene
from tests.raw_http import raw_get
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read

MEBIBYTE = 2**20


class Parts(Iterator[bytes]):
    """Parts of an answer that remember what became of them."""

    def __init__(self, number: int, fail_at: int = -1) -> None:
        self.given = 0
        self.closed = False
        self.threads: set[str] = set()
        self._number = number
        self._fail_at = fail_at

    def __next__(self) -> bytes:
        self.threads.add(threading.current_thread().name)
        if self.given == self._fail_at:
            raise ZeroDivisionError("a secret of the inside")
        if self.given == self._number:
            raise StopIteration
        self.given += 1
        return b"x" * MEBIBYTE

    def close(self) -> None:
        self.closed = True


class Long(Handler):
    """Answers with parts."""

    parts: Parts
    #: it is no endpoint below the prefix
    below_prefix = "/"

    @requires_read
    async def get(self) -> None:
        await self.write_parts(self.parts, "application/octet-stream")


@pytest.fixture
def serve(jp_serverapp: Any) -> Any:
    def serving(parts: Parts) -> Parts:
        backend = jp_serverapp.web_app.settings["workflow_monitor"].backend
        rule = (f"{PREFIX}-test", Long, {"backend": backend, "parts": parts})
        jp_serverapp.web_app.add_handlers(".*$", [rule])
        return parts

    return serving


async def test_parts_are_made_beside_the_event_loop(fetch: Fetch, serve: Any) -> None:
    parts = serve(Parts(5))
    answer = await fetch("GET", "-test")
    assert len(answer.body) == 5 * MEBIBYTE
    assert parts.closed
    assert all(name.startswith("workflow-monitor-reader") for name in parts.threads)


async def test_who_does_not_read_gets_no_more(
    serve: Any, http_server_client: Any, jp_auth_header: dict[str, str], fetch: Fetch
) -> None:
    parts = serve(Parts(500))
    async with raw_get(http_server_client.get_http_port(), f"{PREFIX}-test", jp_auth_header) as answer:
        assert answer.status == 200
        # Wait until no more is made; what is under way by then is in the buffers of the two sockets.
        given = -1
        while given != parts.given:
            given = parts.given
            await asyncio.sleep(0.3)
        assert parts.given < 100
        assert (await fetch("GET", "/")).status == 200
    async with asyncio.timeout(20):
        while not parts.closed:
            await asyncio.sleep(0.01)
    assert parts.given < 110


async def test_an_error_before_the_first_part_is_a_problem(fetch: Fetch, serve: Any) -> None:
    parts = serve(Parts(5, fail_at=0))
    problem = (await fetch("GET", "-test")).problem(500)
    assert problem["code"] == "internal-error"
    assert "secret" not in json.dumps(problem)
    assert parts.closed


async def test_an_error_on_the_way_breaks_off(fetch: Fetch, serve: Any) -> None:
    parts = serve(Parts(5, fail_at=3))
    with pytest.raises(HTTPStreamClosedError):
        await fetch("GET", "-test")
    assert parts.closed


async def test_the_server_answers_others_meanwhile(fetch: Fetch) -> None:
    await fetch("POST", "/aoi/Fyn")
    tiles = tuple(f"t{number}" for number in range(20))
    await fetch("POST", "/aoi/Fyn/scenes", [scene(f"s{number}", tiles=tiles) for number in range(1000)])
    listing = asyncio.ensure_future(fetch("GET", "/aoi/Fyn/tiles"))
    waits = []
    while not listing.done():
        started = time.perf_counter()
        assert (await fetch("GET", "/docs")).status == 200
        waits.append(time.perf_counter() - started)
    assert len((await listing).json()) == 20_000
    assert sorted(waits)[len(waits) // 2] < 0.1


@pytest.mark.parametrize(
    ("request_line", "body", "authorized", "status", "stays"),
    [
        ("POST /results", (2, b"{}"), True, 400, True),
        ("POST /results", (9 * MEBIBYTE, b" " * 9 * MEBIBYTE), True, 413, True),
        ("POST /results", (MEBIBYTE, b"{"), False, 403, False),
        ("POST /results", (0, b""), False, 403, False),
        ("GET /aoi/", (0, b""), False, 403, False),
        ("GET //aoi/", (0, b""), True, 301, False),
        ("GET /aoi/", (0, b""), True, 200, True),
        ("PATCH /aoi/Fyn", (2, b"{}"), True, 405, True),
    ],
)
async def test_a_connection_that_ends_with_the_answer_says_so(
    request_line: str,
    body: tuple[int, bytes],
    authorized: bool,
    status: int,
    stays: bool,
    http_server_client: Any,
    jp_auth_header: dict[str, str],
) -> None:
    """Else whoever keeps it loses the next request. A body is announced with a length, and not always sent."""
    length, sent = body
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_client.get_http_port())
    headers = {"Host": "127.0.0.1", "Content-Length": str(length), **(jp_auth_header if authorized else {})}
    verb, _, path = request_line.partition(" ")
    lines = [f"{verb} {PREFIX}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode() + sent
    async with asyncio.timeout(20):
        for _ in range(2 if stays else 1):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.split()[1] == str(status)
            assert ("Connection: close" in head) is not stays
            await reader.readexactly(int(head.partition("Content-Length: ")[2].split()[0]))
        if not stays:
            assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

"""Long responses: written at the speed of the client, ended with its connection, broken off visibly after an error."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from tests.integration.server.conftest import PREFIX, Fetch
from tests.raw_http import raw_get
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read

MEBIBYTE = 2**20


class Parts(Iterator[bytes]):
    """Parts of a response, with a record of their use; each waits for `gate`, if given."""

    def __init__(self, total: int, fail_at: int = -1, gate: threading.Event | None = None) -> None:
        self.count = 0
        self.closed = False
        self.threads: set[str] = set()
        self._total = total
        self._fail_at = fail_at
        self._gate = gate

    def __next__(self) -> bytes:
        self.threads.add(threading.current_thread().name)
        if self._gate is not None:
            assert self._gate.wait(60)
        if self.count == self._fail_at:
            raise ZeroDivisionError("a secret of the server")
        if self.count == self._total:
            raise StopIteration
        self.count += 1
        return b"x" * MEBIBYTE

    def close(self) -> None:
        self.closed = True


class PartsHandler(Handler):
    """Endpoint that responds with parts."""

    parts: Parts
    #: Outside the prefix of the extension.
    below_prefix = "/"

    @requires_read
    async def get(self) -> None:
        await self.write_parts(self.parts, "application/octet-stream")


@pytest.fixture
def serve(jp_serverapp: Any) -> Any:
    def add_handler(parts: Parts) -> Parts:
        backend = jp_serverapp.web_app.settings["workflow_monitor"].backend
        rule = (f"{PREFIX}-test", PartsHandler, {"backend": backend, "parts": parts})
        jp_serverapp.web_app.add_handlers(".*$", [rule])
        return parts

    return add_handler


async def test_parts_are_produced_in_reader_threads(fetch: Fetch, serve: Any) -> None:
    parts = serve(Parts(5))
    response = await fetch("GET", "-test")
    assert len(response.body) == 5 * MEBIBYTE
    assert parts.closed
    assert all(name.startswith("workflow-monitor-reader") for name in parts.threads)


async def test_a_client_that_does_not_read_stops_production(
    serve: Any, http_server_client: Any, jp_auth_header: dict[str, str], fetch: Fetch
) -> None:
    parts = serve(Parts(500))
    async with raw_get(http_server_client.get_http_port(), f"{PREFIX}-test", jp_auth_header) as response:
        assert response.status == 200
        # Production stops as soon as the buffers of both sockets are full.
        count = -1
        while count != parts.count:
            count = parts.count
            await asyncio.sleep(0.3)
        assert parts.count < 100
        assert (await fetch("GET", "/")).status == 200
    async with asyncio.timeout(60):
        while not parts.closed:
            await asyncio.sleep(0.01)
    assert parts.count < 110


async def test_an_error_before_the_first_part_returns_a_problem(fetch: Fetch, serve: Any) -> None:
    parts = serve(Parts(5, fail_at=0))
    problem = (await fetch("GET", "-test")).problem(500)
    assert problem["code"] == "internal-error"
    assert "secret" not in json.dumps(problem)
    assert parts.closed


async def test_a_later_error_closes_the_connection(fetch: Fetch, serve: Any) -> None:
    parts = serve(Parts(5, fail_at=3))
    with pytest.raises(HTTPStreamClosedError):
        await fetch("GET", "-test")
    assert parts.closed


async def test_other_requests_complete_during_a_long_response(fetch: Fetch, serve: Any) -> None:
    gate = threading.Event()
    parts = serve(Parts(2, gate=gate))
    long_response = asyncio.ensure_future(fetch("GET", "-test"))
    async with asyncio.timeout(60):
        while not parts.threads:
            await asyncio.sleep(0.01)
    for path in ("/docs", "/aoi/"):
        assert (await fetch("GET", path)).status == 200
    assert not long_response.done()
    gate.set()
    assert len((await long_response).body) == 2 * MEBIBYTE


@pytest.mark.parametrize(
    ("request_line", "body", "authorized", "status", "keeps_alive"),
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
async def test_a_response_announces_the_end_of_its_connection(
    request_line: str,
    body: tuple[int, bytes],
    authorized: bool,
    status: int,
    keeps_alive: bool,
    http_server_client: Any,
    jp_auth_header: dict[str, str],
) -> None:
    """A client that reuses a closing connection loses its next request. Some requests send less than Content-Length."""
    length, sent = body
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_client.get_http_port())
    headers = {"Host": "127.0.0.1", "Content-Length": str(length), **(jp_auth_header if authorized else {})}
    verb, _, path = request_line.partition(" ")
    lines = [f"{verb} {PREFIX}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode() + sent
    async with asyncio.timeout(60):
        for _ in range(2 if keeps_alive else 1):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.split()[1] == str(status)
            assert ("Connection: close" in head) is not keeps_alive
            await reader.readexactly(int(head.partition("Content-Length: ")[2].split()[0]))
        if not keeps_alive:
            assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

"""Open connections are limited, so that they leave descriptors for the store and for users."""

from __future__ import annotations

import asyncio
import logging
import resource
from contextlib import suppress

import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from workflow_monitor.server.connection_limit import limit_connections, max_connections

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def status(connection: Connection) -> bytes:
    """Send a request and return the status line; empty if the connection was closed."""
    reader, writer = connection
    writer.write(REQUEST)
    try:
        line = await reader.readline()
        if line:
            await reader.readuntil(b"</html>")
    except ConnectionError:
        return b""
    return line


async def close(connection: Connection) -> None:
    connection[1].close()
    with suppress(ConnectionError):
        await connection[1].wait_closed()


async def test_connections_beyond_the_limit_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    server = HTTPServer(web.Application([]))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    limit_connections(server, 3, 60.0)
    with caplog.at_level(logging.WARNING, "workflow_monitor.server.connection_limit"):
        connections = [await asyncio.open_connection(*listening.getsockname()) for _ in range(6)]
        statuses = [await status(connection) for connection in connections]
    assert statuses == [b"HTTP/1.1 404 Not Found\r\n"] * 3 + [b""] * 3
    assert caplog.text.count("connections_refused maximum=3") == 1
    for connection in connections:
        await close(connection)
    while len(server._connections) == 3:
        await asyncio.sleep(0.01)
    connection = await asyncio.open_connection(*listening.getsockname())
    assert await status(connection) == b"HTTP/1.1 404 Not Found\r\n"
    await close(connection)
    server.stop()
    await server.close_all_connections()


async def test_a_connection_without_a_request_is_closed() -> None:
    server = HTTPServer(web.Application([]))
    (listening,) = bind_sockets(0, "127.0.0.1")
    server.add_socket(listening)
    limit_connections(server, 3, 0.05)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    writer.write(REQUEST[:10])
    assert await reader.read() == b""
    await close((reader, writer))
    server.stop()


def test_the_limit_leaves_descriptors_for_the_store() -> None:
    assert 1 <= max_connections() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]

"""HTTP connections with control over reading the response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """Server-sent event; `data` is its JSON value."""

    id: int | None
    event: str
    data: Any


@dataclass(slots=True)
class RawAnswer:
    """Response with an unread body."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]

    async def block(self) -> str:
        """Read up to the next empty line."""
        async with asyncio.timeout(120):
            return (await self.reader.readuntil(b"\n\n")).decode()

    async def events(self, count: int) -> list[ServerSentEvent]:
        """Read the next `count` events; comments and messages without data are skipped."""
        events: list[ServerSentEvent] = []
        while len(events) < count:
            lines = (line.partition(": ") for line in (await self.block()).splitlines())
            fields = {name: value for name, _, value in lines}
            if "data" in fields:
                event_id = int(fields["id"]) if "id" in fields else None
                events.append(ServerSentEvent(event_id, fields.get("event", "message"), json.loads(fields["data"])))
        return events


@asynccontextmanager
async def raw_get(port: int, path: str, headers: Mapping[str, str]) -> AsyncIterator[RawAnswer]:
    """Send a GET in HTTP/1.0, which avoids a chunked response; close the connection at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        lines = [f"GET {path} HTTP/1.0", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(120):
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        pairs = (line.partition(": ") for line in rest if line)
        yield RawAnswer(reader, writer, int(first.split()[1]), {name.lower(): value for name, _, value in pairs})
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class WholeResponse:
    """Complete response; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


async def raw_request(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> WholeResponse:
    """Send a request with no headers but the given ones, `Host` and the length of the body; return the response.

    The server closes the connection after the response, whose body has no chunks.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        length = {"Content-Length": str(len(body))} if body or method in {"POST", "PUT", "PATCH"} else {}
        fields = {"Host": "127.0.0.1", **length, **(headers or {})}
        head = [f"{method} {path} HTTP/1.0", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        async with asyncio.timeout(120):
            received = await reader.read(-1)
    finally:
        writer.close()
    first, *lines = (received.partition(b"\r\n\r\n")[0]).decode().splitlines()
    pairs = (line.partition(": ") for line in lines)
    return WholeResponse(
        int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, received.partition(b"\r\n\r\n")[2]
    )

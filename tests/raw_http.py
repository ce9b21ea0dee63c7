"""A connection to a server that is read as it comes, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event; `data` is its JSON value."""

    id: int | None
    event: str
    data: Any


@dataclass(slots=True)
class RawAnswer:
    """An answer of which only the head has been read."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]

    async def block(self) -> str:
        """What comes up to the next empty line."""
        async with asyncio.timeout(20):
            return (await self.reader.readuntil(b"\n\n")).decode()

    async def events(self, number: int) -> list[ServerSentEvent]:
        """The next so many events; comments and greetings are left out."""
        found: list[ServerSentEvent] = []
        while len(found) < number:
            lines = (line.partition(": ") for line in (await self.block()).splitlines())
            fields = {name: value for name, _, value in lines}
            if "data" in fields:
                number_of_event = int(fields["id"]) if "id" in fields else None
                found.append(
                    ServerSentEvent(number_of_event, fields.get("event", "message"), json.loads(fields["data"]))
                )
        return found


@asynccontextmanager
async def raw_get(port: int, path: str, headers: Mapping[str, str]) -> AsyncIterator[RawAnswer]:
    """Send a GET in HTTP/1.0, so that the answer comes as it is, and close the connection afterwards."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        lines = [f"GET {path} HTTP/1.0", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(20):
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        named = (line.partition(": ") for line in rest if line)
        yield RawAnswer(reader, writer, int(first.split()[1]), {name.lower(): value for name, _, value in named})
    finally:
        writer.close()

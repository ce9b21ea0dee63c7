"""Event streams under load."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection

from benchmarks.ingestion import scene
from benchmarks.speed.plots import Figure, Goal, percentile
from benchmarks.speed.target import Site

READERS = 500
TRANSITIONS = 1_000
SECONDS = 10
#: requests a second
TICKS = 10
FLIPS = "flips"
_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_TIME = re.compile(rb'"time":"([^"]+)"')


@dataclass
class Reader(asyncio.Protocol):
    """One that follows the events, and notes how late they are and whether one is missing."""

    request: bytes
    last: int = 0
    events: int = 0
    gaps: int = 0
    late: list[float] = field(default_factory=list)
    _rest: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        received = time.time()
        whole, _, rest = (self._rest + data).rpartition(b"\n\n")
        self._rest = rest
        ids = [int(number) for number in _ID.findall(whole)]
        if not ids:
            return
        self.events += len(ids)
        self.gaps += ids != list(range(self.last + 1, self.last + 1 + len(ids))) if self.last else 0
        self.last = ids[-1]
        # the first of a part is the latest
        told = _TIME.search(whole)
        assert told is not None
        self.late.append(received - datetime.fromisoformat(told[1].decode()).astimezone(UTC).timestamp())


def _follow(port: int, token: str, path: str, pipe: Connection) -> None:
    """Follow events with many readers until the stop signal; return their delays. Runs in its own process."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: token {token}\r\n\r\n".encode()

    async def follow() -> None:
        loop = asyncio.get_running_loop()
        readers = [
            (await loop.create_connection(partial(Reader, request), "127.0.0.1", port))[1] for _ in range(READERS)
        ]
        await asyncio.sleep(2)
        pipe.send("ready")
        last = await loop.run_in_executor(None, pipe.recv)
        deadline = loop.time() + 20
        while loop.time() < deadline and any(reader.last < last for reader in readers):  # noqa: ASYNC110 - each reader has its own end
            await asyncio.sleep(0.05)
        gaps = sum(reader.gaps for reader in readers)
        lacking = sum(reader.last < last for reader in readers)
        pipe.send(([late for reader in readers for late in reader.late], gaps, lacking))

    asyncio.run(follow())


def followers(site: Site) -> list[Figure]:
    """500 readers of all events during 1,000 transitions a second."""
    parent, child = multiprocessing.Pipe()
    port = int(site.server.base_url.rpartition(":")[2].strip("/"))
    arguments = port, site.server.token, "/workflow-monitor/events", child
    process = multiprocessing.get_context("spawn").Process(target=_follow, args=arguments)
    process.start()
    parent.recv()
    failed = _waiting(site)
    begun = time.perf_counter()
    for tick in range(SECONDS * TICKS):
        time.sleep(max(0.0, begun + tick / TICKS - time.perf_counter()))
        if tick % 2 == 0:
            site.json("POST", "/results", failed)
        else:
            site.json("PUT", f"/aoi/{FLIPS}/retry")
    took = time.perf_counter() - begun
    newest = int(site.json("GET", f"/aoi/{FLIPS}/history")[-1]["seq"])
    parent.send(newest)
    late, gaps, lacking = parent.recv()
    process.join()
    assert (gaps, lacking) == (0, 0), f"{gaps} gaps, {lacking} readers without the last event"
    name = f"{READERS} readers of the events, {TRANSITIONS:,} transitions/s"
    return [
        Figure(f"{name}: how late, median", "s", late),
        Figure(f"{name}: how late, p99", "s", [percentile(late, 99)], Goal(below=1)),
        Figure(f"{name}: transitions", "/s", [TRANSITIONS * SECONDS / took]),
    ]


def _waiting(site: Site) -> list[dict[str, object]]:
    """Fail scenes, and requeue them in between."""
    site.json("POST", f"/aoi/{FLIPS}")
    scenes = [scene(number, FLIPS, 1) for number in range(TRANSITIONS // TICKS)]
    numbers = site.json("POST", f"/aoi/{FLIPS}/scenes", scenes)["ids"]
    return [{"type": "scene", "id": number, "status": "RETRY", "message": "x"} for number in numbers.values()]

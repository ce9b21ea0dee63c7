"""A real Jupyter server with the extension and with the empty endpoint, and the ways to put load on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import httpx
import psutil

from benchmarks.speed.baseline_handler import PATH
from tests.server_process import LiveServer, live_server

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
#: method, path below the endpoints, body
Request = tuple[str, str, bytes | None]
Send = Callable[..., Awaitable[bytes]]
Task = Callable[[Send], Awaitable[None]]
T = TypeVar("T")


@dataclass
class Site:
    """The server under test, its client, and the size of its AOI."""

    server: LiveServer
    client: httpx.Client
    folder: Path
    tiles: int
    #: number of calls of quick requests
    calls: int

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.server.process.pid)

    @property
    def empty(self) -> str:
        return f"{self.server.base_url.rstrip('/')}{PATH}"

    def memory(self) -> float:
        """Return the present memory of the server in MB."""
        return float(self.process.memory_info().rss) / 1e6

    def processor(self) -> float:
        """The seconds of a processor that the server has taken."""
        return float(sum(self.process.cpu_times()[:2]))

    def peak_memory(self) -> float:
        """The most that the server has taken, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def forget_peak(self) -> None:
        """Reset the peak memory."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def json(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - as the endpoint has it
        answer = self.client.request(method, path, json=body) if body is not None else self.client.request(method, path)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def post(self, path: str, content: bytes) -> bytes:
        """Send an encoded body and return the body of the response."""
        return self.client.post(path, content=content).raise_for_status().content

    def read(self, path: str, accept: str = "application/json") -> tuple[float, int]:
        """Read a response without keeping it; return the seconds to its first byte, and its length."""
        started, first, length = perf_counter(), 0.0, 0
        with self.client.stream("GET", path, headers={"Accept": accept}) as answer:
            answer.raise_for_status()
            for part in answer.iter_raw():
                first = first or perf_counter() - started
                length += len(part)
        return first, length

    def table(self, path: str) -> pa.Table:
        """A list as an Arrow table."""
        import pyarrow as pa

        answer = self.client.get(path, headers={"Accept": ARROW})
        answer.raise_for_status()
        table: pa.Table = pa.ipc.open_stream(BytesIO(answer.content)).read_all()
        return table

    def rate(self, requests: Iterable[Request], connections: int) -> float:
        """Return the requests per second over `connections` connections, each busy all the time."""

        async def work(session: aiohttp.ClientSession) -> float:
            pending = iter(requests)
            counted = 0

            async def one_connection() -> None:
                nonlocal counted
                for method, path, body in pending:
                    await _send(session, method, self._whole(path), body)
                    counted += 1

            started = perf_counter()
            await asyncio.gather(*(one_connection() for _ in range(connections)))
            return counted / (perf_counter() - started)

        return asyncio.run(self._session(connections, work))

    def paced(self, tasks: Iterable[Task], per_second: float) -> list[float]:
        """Return the milliseconds of each task; tasks start at even intervals, whether or not earlier ones are done."""

        async def work(session: aiohttp.ClientSession) -> list[float]:
            took: list[float] = []

            async def send(method: str, path: str, body: bytes | None = None) -> bytes:
                return await _send(session, method, self._whole(path), body)

            async def one(task: Task, due: float) -> None:
                await asyncio.sleep(max(0.0, due - perf_counter()))
                await task(send)
                took.append((perf_counter() - due) * 1e3)

            begun = perf_counter() + 0.1
            await asyncio.gather(*(one(task, begun + number / per_second) for number, task in enumerate(tasks)))
            return took

        return asyncio.run(self._session(200, work))

    def _whole(self, path: str) -> str:
        return path if path.startswith("http") else f"{self.server.url}{path}"

    async def _session(self, connections: int, work: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
        headers = {"Authorization": f"token {self.server.token}", "Content-Type": "application/json"}
        connector = aiohttp.TCPConnector(limit=connections)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            return await work(session)


async def _send(session: aiohttp.ClientSession, method: str, url: str, body: bytes | None) -> bytes:
    async with session.request(method, url, data=body) as answer:
        answer.raise_for_status()
        return await answer.read()


@contextmanager
def site(folder: Path, tiles: int, calls: int, store: str = "") -> Iterator[Site]:
    """Start a server over the store in a folder, or over another one by its URL."""
    extensions = {"benchmarks.speed.baseline_handler": True}
    options: dict[str, Any] = {"store_url": store} if store else {}
    with live_server(folder, extensions=extensions, max_streams=600, **options) as server:
        headers = {"Authorization": f"token {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=600, trust_env=False) as client:
            yield Site(server, client, folder, tiles, calls)

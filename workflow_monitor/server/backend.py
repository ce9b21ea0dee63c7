"""The asynchronous interface of the handlers to the engine."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from workflow_monitor.domain.commands import Command
from workflow_monitor.domain.errors import ItemNotFound, StoreUnavailable
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.body_budget import BodyBudget
from workflow_monitor.server.engine_manager import Engine, EngineManager
from workflow_monitor.server.item_loader import ItemLoader
from workflow_monitor.server.limits import ServerLimits
from workflow_monitor.server.maintenance import Maintenance
from workflow_monitor.server.problems import TooManyStreams
from workflow_monitor.server.reader_pool import DrawingPool, ReaderPool
from workflow_monitor.server.upstream import Upstream, UpstreamUnreachable
from workflow_monitor.server.worker_token import WorkerTokenAuth

T = TypeVar("T")

#: threads that decode large bodies
DECODERS = 2


class Backend:
    """Combines the engine manager, the reader threads, the item loader and maintenance; never blocks the event loop."""

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        limits: ServerLimits | None = None,
        threads: int = 4,
        workers: WorkerTokenAuth | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        self.limits = limits or ServerLimits()
        self.threads = threads
        self.workers = workers or WorkerTokenAuth("")
        #: number of open event streams
        self.streams = 0
        #: random id of this server process, for loop detection and restarts
        self.instance = uuid.uuid4().hex
        self._manager = EngineManager(open_engine, self.limits.retry_opening, upstream)
        self._readers = ReaderPool(threads)
        self._decoders = ReaderPool(DECODERS, "decoder")
        self._drawings = DrawingPool(self.limits.drawing_threads, self.limits.max_queued_drawings)
        self.bodies = BodyBudget(self.limits.max_bodies)
        self._item_loader = ItemLoader(self._load_items)
        self._maintenance = Maintenance(self.submit, self._open_if_needed, self._last_event_time, self.limits)
        self._health_check: asyncio.Task[None] | None = None

    # ---- engine and upstream

    def open(self) -> None:
        """Open the store; the log gives the reason of a failure. Blocks."""
        self._manager.open()

    async def engine(self) -> Engine:
        """Return the engine. Raises StoreUnavailable with the reason."""
        await self._open_if_needed()
        engine = self._manager.engine
        if engine is None:
            raise StoreUnavailable(self._manager.unavailable_reason)
        return engine

    async def upstream_server(self) -> Upstream | None:
        """Return the server to forward requests to; None if this server handles them."""
        if self._manager.configured_upstream is None:
            await self._open_if_needed()
            await self._manager.close_retired_upstreams()
        return self._manager.upstream

    async def retry_open(self) -> None:
        """Try to open the store immediately, because its owner is unreachable."""
        await self.run(lambda: self._manager.open(now=True))

    def advertise(self, url: str) -> None:
        """Publish the URL of the endpoints to the other servers of the user that want the store. Blocks."""
        self._manager.advertise(url)

    def accepts_peer_key(self, authorization: str) -> bool:
        """Return True if an Authorization header holds the key that this server has published."""
        return self._manager.accepts_peer_key(authorization)

    async def check_health(self) -> None:
        """Read from the store, or check the upstream server. Raises WorkflowError.

        Concurrent calls share one check, so that callers without a token cannot occupy the reader threads.
        """
        if self._health_check is None or self._health_check.done():
            self._health_check = asyncio.create_task(self._check_health())
        await asyncio.shield(self._health_check)

    async def _check_health(self) -> None:
        upstream = await self.upstream_server()
        if upstream is not None:
            try:
                await upstream.check_health()
            except UpstreamUnreachable:
                await self.retry_open()
            else:
                return
        if await self.upstream_server() is not None:
            raise StoreUnavailable("The upstream server does not respond.")
        await self.run((await self.engine()).queries.newest_event)

    async def _open_if_needed(self) -> None:
        if self._manager.configured_upstream is None and self._manager.engine is None:
            await self.run(self._manager.open)

    async def _last_event_time(self) -> datetime | None:
        return await self.run((await self.engine()).queries.last_event_time)

    # ---- requests

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking function in a reader thread and return its result."""
        return await self._readers.run(function, *arguments)

    async def decode(self, function: Callable[[bytes], T], body: bytes) -> T:
        """Decode a large body in a thread that no read waits for."""
        return await self._decoders.run(function, body)

    async def draw(self, dot_text: Iterable[str]) -> bytes:
        """Return a graph as SVG. Raises TooManyDrawings, and the errors of `graph.svg.render_svg`."""
        return await self._drawings.draw(dot_text, self.limits.drawing)

    async def item(self, kind: ItemKind, item_id: int) -> str:
        """Return a scene, or a tile with its scene, as JSON text. Raises ItemNotFound."""
        document = await self._item_loader.document(kind, item_id)
        if document is None:
            raise ItemNotFound(kind, item_id)
        return document

    async def _load_items(self, kind: ItemKind, ids: list[int]) -> dict[int, str]:
        return await self.run((await self.engine()).queries.documents, kind, ids)

    async def submit(self, command: Command, actor: str) -> Any:  # noqa: ANN401 - the type depends on the command
        """Submit a command and return its result once it is on disk."""
        engine = await self.engine()
        future: Future[Any] = engine.workflow.submit(command, actor)
        return await asyncio.wrap_future(future)

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count an event stream while it is open. Raises TooManyStreams."""
        if self.streams >= self.limits.max_streams:
            raise TooManyStreams(self.limits.max_streams)
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    # ---- lifecycle

    def start_maintenance(self) -> None:
        """Prune and reopen periodically; call it in the event loop. A server with an upstream has nothing to maintain."""
        if self._manager.configured_upstream is None:
            self._maintenance.start()

    async def close(self) -> None:
        """Finish the accepted commands, end the streams and release the store; repeated calls have no effect."""
        pools = self._readers, self._decoders, self._drawings
        for pool in pools:
            pool.start_closing()
        self._manager.start_closing()
        self._maintenance.stop()
        await asyncio.to_thread(self._manager.close)
        await self._manager.close_retired_upstreams()
        if self._manager.configured_upstream is not None:
            await self._manager.configured_upstream.close()
        for pool in pools:
            pool.close()

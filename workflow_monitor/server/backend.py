"""The engine behind the endpoints: opened when it can be had, and again when it could not or broke."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from workflow_monitor.domain.commands import Command, TrimHistory
from workflow_monitor.domain.errors import StoreUnavailable, WorkflowError
from workflow_monitor.domain.model import Backup
from workflow_monitor.engine.feed import Feed
from workflow_monitor.engine.queries import Queries
from workflow_monitor.engine.workflow import Workflow
from workflow_monitor.server.workers import Workers

log = logging.getLogger(__name__)

T = TypeVar("T")

#: as whom the server itself acts
SERVER = "workflow-monitor"


class OpenStore(Protocol):
    """The store, as far as this room knows it."""

    @property
    def is_broken(self) -> bool: ...

    def back_up(self, keep: int) -> Backup: ...

    def backups(self) -> list[Backup]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """What answers requests, over one open store."""

    store: OpenStore
    workflow: Workflow
    queries: Queries
    feed: Feed

    def close(self) -> None:
        """Finish what was begun and let others have the store."""
        self.feed.close()
        self.workflow.close()
        self.store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much the endpoints take and give."""

    max_body: int = 8 * 2**20
    max_ingest: int = 256 * 2**20
    max_streams: int = 64
    keep_alive: float = 15.0
    slow_reader: float = 30.0
    drawing: float = 20.0
    retry_opening: float = 5.0
    #: seconds between two looks at what may be forgotten, and how old that is; None keeps all events
    trim_interval: float = 3600.0
    keep_jobs: float = 86400.0
    keep_events: float | None = None
    #: how many backups are kept
    keep_backups: int = 7


@dataclass(slots=True)
class Backend:
    """Gives handlers the engine, and threads to read in; nothing of it blocks the event loop."""

    open_engine: Callable[[], Engine]
    limits: Limits = field(default_factory=Limits)
    threads: int = 4
    workers: Workers = field(default_factory=lambda: Workers(""))
    #: streams of events that are open
    streams: int = 0
    #: tells this server from others, and from itself after it was started anew
    instance: str = field(default_factory=lambda: uuid.uuid4().hex)
    _engine: Engine | None = None
    _trouble: str = "The store has not been opened yet."
    _tried_at: float = -1e9
    _closed: bool = False
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _readers: ThreadPoolExecutor = field(init=False)
    _upkeep: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._readers = ThreadPoolExecutor(self.threads, thread_name_prefix="workflow-monitor-reader")

    def open(self) -> None:
        """Open the store if that can be done now; the log says why if not. Blocks."""
        with self._opening:
            if self._closed or (self._engine is not None and not self._engine.store.is_broken):
                return
            if time.monotonic() - self._tried_at < self.limits.retry_opening:
                return
            self._close_engine()
            try:
                self._engine = self.open_engine()
                self._trouble = "The store broke and is about to be opened anew; try again."
            except StoreUnavailable as error:
                self._be_without(error.detail)
            except Exception:
                log.exception("The store could not be opened")
                self._be_without("The store could not be opened; the server's log says more.")
            self._tried_at = time.monotonic()

    def _be_without(self, reason: str) -> None:
        if reason != self._trouble:
            log.error("Workflow Monitor answers 503 until this is settled: %s", reason)
        self._trouble = reason

    async def engine(self) -> Engine:
        """The engine; StoreUnavailable, with the reason, if it cannot be had at the moment."""
        if self._engine is None or self._engine.store.is_broken:
            await self.run(self.open)
        if self._engine is None or self._engine.store.is_broken:
            raise StoreUnavailable(self._trouble)
        return self._engine

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """The outcome of a function that blocks, from one of the reader threads."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)
        except RuntimeError as error:
            if self._closed:
                raise StoreUnavailable("The server is shutting down.") from error
            raise

    async def submit(self, command: Command, who: str) -> Any:  # noqa: ANN401 - each command says what it answers
        """The answer to a command, as soon as it is on disk."""
        engine = await self.engine()
        future: Future[Any] = engine.workflow.submit(command, who)
        return await asyncio.wrap_future(future)

    def start_upkeep(self) -> None:
        """From now on, let what is old be forgotten; call it in the event loop."""
        if self._upkeep is None:
            self._upkeep = asyncio.get_running_loop().create_task(self._trim_again_and_again())

    async def _trim_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self.limits.trim_interval)
            try:
                await self.submit(TrimHistory(self.limits.keep_jobs, self.limits.keep_events), SERVER)
            except WorkflowError as error:
                log.debug("Trimming has to wait: %s", error.detail)
            except Exception:
                log.exception("Trimming failed; it is tried again later")

    async def close(self) -> None:
        """Finish what was begun, end the streams, and let others have the store; more than once does no harm."""
        self._closed = True
        if self._upkeep is not None:
            self._upkeep.cancel()
        await asyncio.to_thread(self._close_engine)
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        self._trouble = "The server is shutting down." if self._closed else self._trouble
        if engine is not None:
            try:
                engine.close()
            except Exception:
                log.exception("The store could not be closed well")

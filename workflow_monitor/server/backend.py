"""The engine behind the endpoints: opened when it can be had, and again when it could not or broke."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from workflow_monitor.domain.commands import Command, PruneHistory
from workflow_monitor.domain.errors import ItemNotFound, StoreInUse, StoreUnavailable, WorkflowError
from workflow_monitor.domain.limits import DEFAULTS
from workflow_monitor.domain.limits import Limits as DocumentLimits
from workflow_monitor.domain.models import Backup
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.engine.command_processor import CommandProcessor, ReadOnlyProcessor
from workflow_monitor.engine.feed import Feed
from workflow_monitor.engine.queries import Queries
from workflow_monitor.server.item_loader import ItemLoader
from workflow_monitor.server.peer import PeerEndpoint
from workflow_monitor.server.problems import TooManyStreams
from workflow_monitor.server.upstream import Upstream
from workflow_monitor.server.worker_token import WorkerTokenAuth

log = logging.getLogger(__name__)

T = TypeVar("T")

#: as whom the server itself acts
SERVER = "workflow-monitor"
#: seconds between two tries to have the store, when nobody asks for it
LEAST_PAUSE = 1.0


class OpenStore(Protocol):
    """The store, as far as this room knows it."""

    @property
    def needs_reopen(self) -> bool: ...

    def back_up(self, keep: int) -> Backup: ...

    def backups(self) -> list[Backup]: ...

    def close(self) -> None: ...


@runtime_checkable
class Advertises(Protocol):
    """A store that one process has, which tells others of its user how to reach it."""

    def announce(self, contact: str) -> None: ...


class QueueServiceHandle(Protocol):
    """What serves the queue, as far as this room knows it."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """What answers requests, over one open store."""

    store: OpenStore
    workflow: CommandProcessor | ReadOnlyProcessor
    queries: Queries
    feed: Feed
    #: of the queue, if it has one
    queue_service: QueueServiceHandle | None = None

    def close(self) -> None:
        """Finish what was begun and let others have the store."""
        self.feed.close()
        if self.queue_service is not None:
            self.queue_service.close()
        self.workflow.close()
        self.store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """How much the endpoints take and give."""

    max_body: int = 8 * 2**20
    max_ingest: int = 256 * 2**20
    documents: DocumentLimits = DEFAULTS
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
    """Gives handlers the engine, or who answers in place of it, and threads to read in; nothing blocks the event loop."""

    open_engine: Callable[[], Engine]
    limits: ServerLimits = field(default_factory=ServerLimits)
    threads: int = 4
    workers: WorkerTokenAuth = field(default_factory=lambda: WorkerTokenAuth(""))
    #: answers everything, so that there is no engine here
    upstream: Upstream | None = None
    #: streams of events that are open
    streams: int = 0
    #: tells this server from others, and from itself after it was started anew
    instance: str = field(default_factory=lambda: uuid.uuid4().hex)
    _engine: Engine | None = None
    #: how others reach this server, and who has the store that this one would have
    _contact: PeerEndpoint | None = None
    _owner: tuple[PeerEndpoint, Upstream] | None = None
    _retired_upstreams: list[Upstream] = field(default_factory=list)
    _unavailable_reason: str = "The store has not been opened yet."
    _tried_at: float = -1e9
    _closed: bool = False
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _readers: ThreadPoolExecutor = field(init=False)
    _item_loader: ItemLoader = field(init=False)
    _maintenance: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._readers = ThreadPoolExecutor(self.threads, thread_name_prefix="workflow-monitor-reader")
        self._item_loader = ItemLoader(self._look)

    def open(self, *, now: bool = False) -> None:
        """Open the store if that can be done; the log says why if not. Blocks.

        It is not tried more often than `retry_opening` says, except `now`.
        """
        with self._opening:
            if self._closed or self.upstream is not None or self._has_engine:
                return
            if not now and time.monotonic() - self._tried_at < self.limits.retry_opening:
                return
            self._close_engine()
            try:
                self._engine = self.open_engine()
                self._follow(None)
                self._announce()
                self._unavailable_reason = "The store broke and is about to be opened anew; try again."
            except StoreInUse as error:
                self._follow(PeerEndpoint.read(error.contact))
                self._mark_unavailable(error.detail)
            except StoreUnavailable as error:
                self._follow(None)
                self._mark_unavailable(error.detail)
            except Exception:
                log.exception("The store could not be opened")
                self._mark_unavailable("The store could not be opened; the server's log says more.")
            self._tried_at = time.monotonic()

    @property
    def _has_engine(self) -> bool:
        return self._engine is not None and not self._engine.store.needs_reopen

    def _follow(self, contact: PeerEndpoint | None) -> None:
        """From now on, let the server of this contact answer; None for no other."""
        if self._owner is not None:
            if self._owner[0] == contact:
                return
            self._retired_upstreams.append(self._owner[1])
        self._owner = None if contact is None else (contact, contact.upstream())
        if contact is not None:
            log.warning("Workflow Monitor passes requests on to the server that has the store: %s", contact.url)

    def _announce(self) -> None:
        if self._contact is not None and self._engine is not None and isinstance(self._engine.store, Advertises):
            self._engine.store.announce(self._contact.text())

    def _mark_unavailable(self, reason: str) -> None:
        if reason != self._unavailable_reason and self._owner is None:
            log.error("Workflow Monitor answers 503 until this is settled: %s", reason)
        self._unavailable_reason = reason

    async def engine(self) -> Engine:
        """The engine; StoreUnavailable, with the reason, if it cannot be had at the moment."""
        if not self._has_engine:
            await self.run(self.open)
        if self._engine is None or self._engine.store.needs_reopen:
            raise StoreUnavailable(self._unavailable_reason)
        return self._engine

    # ---- other servers

    async def upstream_server(self) -> Upstream | None:
        """Who answers in place of this server; None if it has the store, or if nobody can be asked."""
        if self.upstream is not None:
            return self.upstream
        if not self._has_engine:
            await self.run(self.open)
        while self._retired_upstreams:
            await self._retired_upstreams.pop().close()
        return None if self._owner is None else self._owner[1]

    async def retry_open(self) -> None:
        """Try at once to have the store: who had it does not answer."""
        await self.run(lambda: self.open(now=True))

    def advertise(self, url: str) -> None:
        """Let others of this user who want the store know where this server's endpoints are. Blocks."""
        with self._opening:
            self._contact = PeerEndpoint.at(url)
            self._announce()

    def accepts_peer_key(self, authorization: str) -> bool:
        """Whether a header Authorization is that of a server of the same user, to which this one has told the key."""
        return self._contact is not None and self._engine is not None and self._contact.opens(authorization)

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a stream of events as long as it is open. Raises TooManyStreams."""
        if self.streams >= self.limits.max_streams:
            raise TooManyStreams(self.limits.max_streams)
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    # ---- work

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """The outcome of a function that blocks, from one of the reader threads."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)
        except RuntimeError as error:
            if self._closed:
                raise StoreUnavailable("The server is shutting down.") from error
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                # it waited for a thread when the server ended
                raise StoreUnavailable("The server is shutting down.") from error
            raise

    async def item(self, kind: ItemKind, number: int) -> str:
        """A scene, or a tile with its scene, as JSON text; ItemNotFound."""
        document = await self._item_loader.document(kind, number)
        if document is None:
            raise ItemNotFound(kind, number)
        return document

    async def _look(self, kind: ItemKind, ids: list[int]) -> dict[int, str]:
        return await self.run((await self.engine()).queries.documents, kind, ids)

    async def submit(self, command: Command, who: str) -> Any:  # noqa: ANN401 - each command says what it answers
        """The answer to a command, as soon as it is on disk."""
        engine = await self.engine()
        future: Future[Any] = engine.workflow.submit(command, who)
        return await asyncio.wrap_future(future)

    def start_maintenance(self) -> None:
        """From now on, let what is old be forgotten, and have the store when it can be had; call it in the event loop."""
        if not self._maintenance and self.upstream is None:
            loop = asyncio.get_running_loop()
            self._maintenance += [
                loop.create_task(self._prune_loop()),
                loop.create_task(self._reopen_loop()),
            ]

    async def _reopen_loop(self) -> None:
        while True:
            await asyncio.sleep(max(self.limits.retry_opening, LEAST_PAUSE))
            if not self._has_engine:
                await self.run(self.open)

    async def _prune_loop(self) -> None:
        while True:
            await asyncio.sleep(self.limits.trim_interval)
            try:
                await self.submit(PruneHistory(self.limits.keep_jobs, self.limits.keep_events), SERVER)
            except WorkflowError as error:
                log.debug("Trimming has to wait: %s", error.detail)
            except Exception:
                log.exception("Trimming failed; it is tried again later")

    async def close(self) -> None:
        """Finish what was begun, end the streams, and let others have the store; more than once does no harm."""
        self._closed = True
        for task in self._maintenance:
            task.cancel()
        await asyncio.to_thread(self._close_engine)
        self._follow(None)
        for upstream in (*self._retired_upstreams, *filter(None, [self.upstream])):
            await upstream.close()
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        self._unavailable_reason = "The server is shutting down." if self._closed else self._unavailable_reason
        if engine is not None:
            try:
                engine.close()
            except Exception:
                log.exception("The store could not be closed well")

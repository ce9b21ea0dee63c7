"""Lifecycle of the engine: open, reopen after a failure, follow the owner of the store, close."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from workflow_monitor.domain.errors import StoreInUse, StoreUnavailable
from workflow_monitor.domain.models import Backup
from workflow_monitor.engine.command_processor import CommandProcessor, ReadOnlyProcessor
from workflow_monitor.engine.feed import Feed
from workflow_monitor.engine.queries import Queries
from workflow_monitor.server.peer import ForeignAddress, PeerEndpoint
from workflow_monitor.server.upstream import Upstream

log = logging.getLogger(__name__)


class OpenStore(Protocol):
    """The operations of an open store that the server calls itself."""

    @property
    def needs_reopen(self) -> bool: ...

    def back_up(self, keep: int) -> Backup: ...

    def backups(self) -> list[Backup]: ...

    def close(self) -> None: ...


@runtime_checkable
class Advertises(Protocol):
    """A store of a single process that publishes the address of its server to other processes of the user."""

    def announce(self, contact: str) -> None: ...


class QueueServiceHandle(Protocol):
    """Background service of a queue."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """Command processor, queries and event feed of one open store."""

    store: OpenStore
    workflow: CommandProcessor | ReadOnlyProcessor
    queries: Queries
    feed: Feed
    queue_service: QueueServiceHandle | None = None

    def close(self) -> None:
        """Finish the accepted commands and release the store."""
        self.feed.close()
        if self.queue_service is not None:
            self.queue_service.close()
        self.workflow.close()
        self.store.close()


class EngineManager:
    """Holds the engine of this server, or the peer that owns the store. All methods that open or close block.

    `upstream` is a configured server that replaces the engine; without one, the owner of the store is found in its
    lock file.
    """

    def __init__(self, open_engine: Callable[[], Engine], retry_interval: float, upstream: Upstream | None) -> None:
        self.configured_upstream = upstream
        self.unavailable_reason = "The store has not been opened yet."
        self._open_engine = open_engine
        self._retry_interval = retry_interval
        self._engine: Engine | None = None
        #: address of this server, and the server that owns the store
        self._endpoint: PeerEndpoint | None = None
        self._owner: tuple[PeerEndpoint, Upstream] | None = None
        self._retired_upstreams: list[Upstream] = []
        self._last_attempt = -1e9
        self._closed = False
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine | None:
        """The engine; None while the store cannot be used."""
        engine = self._engine
        return None if engine is None or engine.store.needs_reopen else engine

    @property
    def upstream(self) -> Upstream | None:
        """The server that receives the requests in place of this one."""
        return self.configured_upstream or (self._owner[1] if self._owner else None)

    def open(self, *, now: bool = False) -> None:
        """Open the store if it is closed or broken; log the reason of a failure.

        Attempts within the retry interval are skipped, except with `now`.
        """
        with self._lock:
            if self._closed or self.configured_upstream is not None or self.engine is not None:
                return
            if not now and time.monotonic() - self._last_attempt < self._retry_interval:
                return
            self._close_engine()
            try:
                self._engine = self._open_engine()
                self._follow(None)
                self._announce()
                self.unavailable_reason = "The store failed and is about to be reopened; try again."
            except StoreInUse as error:
                self._follow_owner(error)
            except StoreUnavailable as error:
                self._follow(None)
                self._mark_unavailable(error.detail)
            except Exception:
                log.exception("store_open_failed")
                self._mark_unavailable("The store could not be opened; the server's log gives the reason.")
            self._last_attempt = time.monotonic()

    def advertise(self, url: str) -> None:
        """Publish the URL of this server's endpoints to the other servers of the user that want the store."""
        with self._lock:
            self._endpoint = PeerEndpoint.at(url)
            self._announce()

    def accepts_peer_key(self, authorization: str) -> bool:
        """Return True if an Authorization header holds the key that this server has published."""
        return (
            self._endpoint is not None and self._engine is not None and self._endpoint.accepts_peer_key(authorization)
        )

    async def close_retired_upstreams(self) -> None:
        """Close the connections to former owners of the store."""
        while self._retired_upstreams:
            await self._retired_upstreams.pop().close()

    def start_closing(self) -> None:
        """Open no engine from now on."""
        self._closed = True

    def close(self) -> None:
        """Finish the accepted commands and release the store."""
        self._closed = True
        self._close_engine()
        self._follow(None)

    def _follow_owner(self, error: StoreInUse) -> None:
        """Forward requests to the owner of the store, unless its address leads to another machine."""
        try:
            self._follow(PeerEndpoint.read(error.contact))
        except ForeignAddress as foreign:
            self._follow(None)
            self._mark_unavailable(f"{error.detail} {foreign}")
        else:
            self._mark_unavailable(error.detail)

    def _follow(self, endpoint: PeerEndpoint | None) -> None:
        if self._owner is not None:
            if self._owner[0] == endpoint:
                return
            self._retired_upstreams.append(self._owner[1])
        self._owner = None if endpoint is None else (endpoint, endpoint.upstream())
        if endpoint is not None:
            log.warning("requests_forwarded url=%s reason=store_in_use", endpoint.url)

    def _announce(self) -> None:
        if self._endpoint is not None and self._engine is not None and isinstance(self._engine.store, Advertises):
            self._engine.store.announce(self._endpoint.text())

    def _mark_unavailable(self, reason: str) -> None:
        if reason != self.unavailable_reason and self._owner is None:
            log.error("store_unavailable reason=%s", reason)
        self.unavailable_reason = reason

    def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        if self._closed:
            self.unavailable_reason = "The server is shutting down."
        if engine is not None:
            try:
                engine.close()
            except Exception:
                log.exception("store_close_failed")

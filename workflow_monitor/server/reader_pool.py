"""Threads for blocking work: reads, drawings, and the decoding of large bodies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.graph.svg import render_svg
from workflow_monitor.server.problems import TooManyDrawings

T = TypeVar("T")


class ReaderPool:
    """Runs blocking functions outside the event loop."""

    def __init__(self, threads: int, name: str = "reader") -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"workflow-monitor-{name}")
        self._closed = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in a thread and return its result. Raises StoreUnavailable after `close`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        except RuntimeError as error:
            if self._closed:
                raise StoreUnavailable("The server is shutting down.") from error
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                # `shutdown` cancelled the queued function, not the request.
                raise StoreUnavailable("The server is shutting down.") from error
            raise

    def start_closing(self) -> None:
        """Report failures of later calls as a shutdown."""
        self._closed = True

    def close(self) -> None:
        """Cancel queued functions; running functions finish."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)


class DrawingPool:
    """Threads for drawings, which take seconds each, with a limited queue."""

    def __init__(self, threads: int, max_queued: int) -> None:
        self._pool = ReaderPool(threads, "drawing")
        self._threads = threads
        self._max_queued = max_queued
        self._drawings = 0
        self._stop = threading.Event()

    async def draw(self, dot_text: Iterable[str], seconds: float) -> bytes:
        """Return a graph as SVG; see `graph.svg.render_svg`. Raises TooManyDrawings for a full queue."""
        if self._drawings >= self._threads + self._max_queued:
            raise TooManyDrawings(self._threads, self._max_queued)
        self._drawings += 1
        try:
            return await self._pool.run(partial(render_svg, dot_text, seconds, is_stopped=self._stop.is_set))
        finally:
            self._drawings -= 1

    def start_closing(self) -> None:
        """Stop the running drawings."""
        self._stop.set()
        self._pool.start_closing()

    def close(self) -> None:
        """Cancel the queued drawings."""
        self._stop.set()
        self._pool.close()

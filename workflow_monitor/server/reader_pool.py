"""Threads for blocking reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from workflow_monitor.domain.errors import StoreUnavailable

T = TypeVar("T")


class ReaderPool:
    """Runs blocking functions outside the event loop."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="workflow-monitor-reader")
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

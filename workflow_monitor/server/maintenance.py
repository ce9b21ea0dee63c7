"""Periodic work of a server: prune old rows, reopen an unavailable store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from workflow_monitor.domain.commands import Command, PruneHistory
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.server.limits import ServerLimits
from workflow_monitor.server.prune_clock import PruneClock

log = logging.getLogger(__name__)

#: actor of commands of the server itself
SERVER = "workflow-monitor"
#: seconds between two attempts to open the store without a request
MIN_REOPEN_INTERVAL = 1.0

Submit = Callable[[Command, str], Awaitable[object]]


class Maintenance:
    """Two tasks in the event loop.

    `submit` sends a command to the engine, `reopen` opens a closed store, and `last_event` returns the time of the last
    stored event.
    """

    def __init__(
        self,
        submit: Submit,
        reopen: Callable[[], Awaitable[None]],
        last_event: Callable[[], Awaitable[datetime | None]],
        limits: ServerLimits,
        clock: PruneClock | None = None,
    ) -> None:
        self._submit = submit
        self._reopen = reopen
        self._last_event = last_event
        self._limits = limits
        self._clock = clock or PruneClock(lambda: datetime.now(UTC), time.monotonic)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the tasks in the running event loop; a second call has no effect."""
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks += [loop.create_task(self._prune_loop()), loop.create_task(self._reopen_loop())]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _reopen_loop(self) -> None:
        while True:
            await asyncio.sleep(max(self._limits.retry_opening, MIN_REOPEN_INTERVAL))
            await self._reopen()

    async def _prune_loop(self) -> None:
        while True:
            try:
                self._clock.start(await self._last_event())
                # the start is trusted before the first pause, in which the clock may jump
                await asyncio.sleep(self._limits.prune_interval)
                limits = self._limits
                await self._submit(PruneHistory(limits.keep_jobs, limits.keep_events, self._clock.now()), SERVER)
            except WorkflowError as error:
                log.debug("prune_postponed reason=%s", error.detail)
                await asyncio.sleep(self._limits.prune_interval)
            except Exception:
                log.exception("prune_failed")
                await asyncio.sleep(self._limits.prune_interval)

"""Periodic work of a server: prune old rows, reopen an unavailable store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from workflow_monitor.domain.commands import Command, PruneHistory
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.server.limits import ServerLimits

log = logging.getLogger(__name__)

#: actor of commands of the server itself
SERVER = "workflow-monitor"
#: seconds between two attempts to open the store without a request
MIN_REOPEN_INTERVAL = 1.0

Submit = Callable[[Command, str], Awaitable[object]]


class Maintenance:
    """Two tasks in the event loop; `submit` sends a command to the engine, `reopen` opens a closed store."""

    def __init__(self, submit: Submit, reopen: Callable[[], Awaitable[None]], limits: ServerLimits) -> None:
        self._submit = submit
        self._reopen = reopen
        self._limits = limits
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
            await asyncio.sleep(self._limits.prune_interval)
            try:
                await self._submit(PruneHistory(self._limits.keep_jobs, self._limits.keep_events), SERVER)
            except WorkflowError as error:
                log.debug("prune_postponed reason=%s", error.detail)
            except Exception:
                log.exception("prune_failed")

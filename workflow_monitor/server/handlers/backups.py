"""Backups of the store."""

from __future__ import annotations

from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.representations import backup_document


class Backups(Handler):
    """The backups of the store. Where they are is no matter of requests: no path is ever taken from one."""

    _track_activity = False

    @requires_read
    async def get(self) -> None:
        engine = await self.backend.engine()
        found = await self.backend.run(engine.store.backups)
        self.write_json([backup_document(backup) for backup in found])

    @requires_write
    async def post(self) -> None:
        engine = await self.backend.engine()
        made = await self.backend.run(engine.store.back_up, self.backend.limits.keep_backups)
        self.set_status(201)
        self.write_json(backup_document(made))

"""Backups of the store."""

from __future__ import annotations

from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.serialization import backup_document


class Backups(Handler):
    """Backups of the store. Requests cannot choose the path of a backup."""

    _track_activity = False

    @requires_read
    async def get(self) -> None:
        engine = await self.backend.engine()
        backups = await self.backend.run(engine.store.backups)
        self.write_json([backup_document(backup) for backup in backups])

    @requires_write
    async def post(self) -> None:
        engine = await self.backend.engine()
        backup = await self.backend.run(engine.store.back_up, self.backend.limits.keep_backups)
        self.set_status(201)
        self.write_json(backup_document(backup))

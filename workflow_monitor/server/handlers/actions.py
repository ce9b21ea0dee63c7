"""Repairing a scene or a tile by hand."""

from __future__ import annotations

from workflow_monitor.documents.strict_json import read_json
from workflow_monitor.domain.commands import FailItem, ForceStatus, RetryItem, SetData
from workflow_monitor.domain.errors import FieldError, InvalidInput
from workflow_monitor.domain.limits import Limits
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.handlers.params import item_id
from workflow_monitor.server.representations import CONSEQUENCES, consequences_json


class RetryItemHandler(Handler):
    """Try it again."""

    kind: ItemKind

    @requires_write
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self.submit(RetryItem(self.kind, item_id(id, self.kind)))
        self.write_empty(200)


class FailItemHandler(Handler):
    """Give it up, by force from any status."""

    kind: ItemKind
    force: bool

    @requires_write
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self.submit(FailItem(self.kind, item_id(id, self.kind), force=self.force))
        self.write_empty(200)


class FailPreview(Handler):
    """What giving it up would do; nothing is done."""

    kind: ItemKind

    @requires_read
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        queries = await self.queries()
        changes = await self.backend.run(queries.preview_fail, self.kind, item_id(id, self.kind))
        names: dict[tuple[ItemKind, int], str] = {}
        for kind in ItemKind:
            ids = [change.id for change in changes[:CONSEQUENCES] if change.kind is kind]
            found = await self.backend.run(queries.names, kind, ids)
            names |= {(kind, number): name for number, name in found.items()}
        self.write_json(consequences_json(changes, names))


class ForceStatusHandler(Handler):
    """Set its status."""

    kind: ItemKind

    @requires_write
    async def put(self, id: str, status: str) -> None:  # noqa: A002 - as the path has it
        wanted = Status.parse(status)
        await self.submit(ForceStatus(self.kind, item_id(id, self.kind), wanted))
        self.write_empty(200)


class ItemData(Handler):
    """Its data: PUT replaces, PATCH merges."""

    kind: ItemKind

    @requires_write
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self._set(item_id(id, self.kind), merge=False)

    @requires_write
    async def patch(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self._set(item_id(id, self.kind), merge=True)

    async def _set(self, number: int, *, merge: bool) -> None:
        limits = self.backend.limits.documents
        fields = await self.read_body(lambda body: _read_object(body, limits))
        await self.submit(SetData(self.kind, number, fields, merge, limits))
        self.write_empty()


def _read_object(body: bytes, limits: Limits) -> dict[str, object]:
    value = read_json(body, limits)
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    message = f"found {'a list' if isinstance(value, list) else 'a single value'}, expected an object"
    raise InvalidInput("The body is no JSON object.", [FieldError("", message)])

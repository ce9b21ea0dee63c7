"""Manual repair of a scene or a tile: retry, fail, force a status, edit the data."""

from __future__ import annotations

from workflow_monitor.documents.strict_json import read_json
from workflow_monitor.domain.commands import FailItem, ForceStatus, RetryItem, SetData
from workflow_monitor.domain.errors import FieldError, InvalidInput
from workflow_monitor.domain.limits import Limits
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read, requires_write
from workflow_monitor.server.handlers.params import parse_item_id
from workflow_monitor.server.serialization import CONSEQUENCES, consequences_document


class RetryItemHandler(Handler):
    """Retries an item."""

    kind: ItemKind

    @requires_write
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self.submit(RetryItem(self.kind, parse_item_id(id, self.kind)))
        self.write_empty(200)


class FailItemHandler(Handler):
    """Fails an item in RETRY, or in any status with `force`."""

    kind: ItemKind
    force: bool

    @requires_write
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self.submit(FailItem(self.kind, parse_item_id(id, self.kind), force=self.force))
        self.write_empty(200)


class FailPreview(Handler):
    """Lists the changes that failing an item by force would make, without making them."""

    kind: ItemKind

    @requires_read
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        queries = await self.queries()
        changes = await self.backend.run(queries.preview_fail, self.kind, parse_item_id(id, self.kind))
        names: dict[tuple[ItemKind, int], str] = {}
        for kind in ItemKind:
            ids = [change.id for change in changes[:CONSEQUENCES] if change.kind is kind]
            names_by_id = await self.backend.run(queries.names, kind, ids)
            names |= {(kind, item_id): name for item_id, name in names_by_id.items()}
        self.write_json(consequences_document(changes, names))


class ForceStatusHandler(Handler):
    """Sets the status of an item, whatever its present status."""

    kind: ItemKind

    @requires_write
    async def put(self, id: str, status: str) -> None:  # noqa: A002 - as the path has it
        target = Status.parse(status)
        await self.submit(ForceStatus(self.kind, parse_item_id(id, self.kind), target))
        self.write_empty(200)


class ItemData(Handler):
    """Data of an item: PUT replaces it, PATCH merges fields into it."""

    kind: ItemKind

    @requires_write
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self._set(parse_item_id(id, self.kind), merge=False)

    @requires_write
    async def patch(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self._set(parse_item_id(id, self.kind), merge=True)

    async def _set(self, item_id: int, *, merge: bool) -> None:
        limits = self.backend.limits.documents
        fields = await self.read_body(lambda body: _read_object(body, limits))
        await self.submit(SetData(self.kind, item_id, fields, merge, limits))
        self.write_empty()


def _read_object(body: bytes, limits: Limits) -> dict[str, object]:
    value = read_json(body, limits)
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    message = f"found {'a list' if isinstance(value, list) else 'a single value'}, expected an object"
    raise InvalidInput("The body is not a JSON object.", [FieldError("", message)])

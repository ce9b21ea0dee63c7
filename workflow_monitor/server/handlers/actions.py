"""Repairing a scene or a tile by hand."""

from __future__ import annotations

from workflow_monitor.domain.commands import Fail, Force, Foresee, Retry, SetData
from workflow_monitor.documents.aoi_names import read_json
from workflow_monitor.domain.errors import FieldError, InvalidInput
from workflow_monitor.domain.limits import Limits
from workflow_monitor.domain.working_set import Change
from workflow_monitor.domain.status import Kind, Status
from workflow_monitor.server.handlers.base import Handler, reads, writes
from workflow_monitor.server.handlers.params import item_id
from workflow_monitor.server.representations import CONSEQUENCES, consequences_json


class RetryItem(Handler):
    """Try it again."""

    kind: Kind

    @writes
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self.submit(Retry(self.kind, item_id(id, self.kind)))
        self.answer_nothing(200)


class FailItem(Handler):
    """Give it up, by force from any status."""

    kind: Kind
    force: bool

    @writes
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self.submit(Fail(self.kind, item_id(id, self.kind), force=self.force))
        self.answer_nothing(200)


class Consequences(Handler):
    """What giving it up would do; nothing is done."""

    kind: Kind

    @reads
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        changes: list[Change] = await self.submit(Foresee(self.kind, item_id(id, self.kind)))
        queries = await self.queries()
        names: dict[tuple[Kind, int], str] = {}
        for kind in Kind:
            ids = [change.id for change in changes[:CONSEQUENCES] if change.kind is kind]
            found = await self.backend.run(queries.names, kind, ids)
            names |= {(kind, number): name for number, name in found.items()}
        self.answer_json(consequences_json(changes, names))


class ForceStatus(Handler):
    """Set its status."""

    kind: Kind

    @writes
    async def put(self, id: str, status: str) -> None:  # noqa: A002 - as the path has it
        wanted = Status.parse(status)
        await self.submit(Force(self.kind, item_id(id, self.kind), wanted))
        self.answer_nothing(200)


class ItemData(Handler):
    """Its data: PUT replaces, PATCH merges."""

    kind: Kind

    @writes
    async def put(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self._set(item_id(id, self.kind), merge=False)

    @writes
    async def patch(self, id: str) -> None:  # noqa: A002 - as the path has it
        await self._set(item_id(id, self.kind), merge=True)

    async def _set(self, number: int, *, merge: bool) -> None:
        limits = self.backend.limits.documents
        fields = await self.read_body(lambda body: _read_object(body, limits))
        await self.submit(SetData(self.kind, number, fields, merge, limits))
        self.answer_nothing()


def _read_object(body: bytes, limits: Limits) -> dict[str, object]:
    value = read_json(body, limits)
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    message = f"found {'a list' if isinstance(value, list) else 'a single value'}, expected an object"
    raise InvalidInput("The body is no JSON object.", [FieldError("", message)])

"""Single scenes and tiles, looked up together for all who ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from workflow_monitor.domain.status import ItemKind

#: the documents of scenes or tiles by id, those that are there
LoadItems = Callable[[ItemKind, list[int]], Awaitable[dict[int, str]]]


@dataclass(slots=True)
class _Batch:
    """What is looked up at once."""

    ids: set[int] = field(default_factory=set)
    #: gives the documents by id
    looking: asyncio.Task[dict[int, str]] | None = None


class ItemLoader:
    """Looks once for all who ask while the look before is under way: so nobody sees what was before the question."""

    def __init__(self, look: LoadItems) -> None:
        self._look = look
        self._turns = {kind: asyncio.Lock() for kind in ItemKind}
        #: what has not begun yet
        self._next: dict[ItemKind, _Batch] = {}

    async def document(self, kind: ItemKind, number: int) -> str | None:
        """A scene or tile as JSON text, None if it is not there; raises what the look does."""
        shared = self._next.setdefault(kind, _Batch())
        shared.ids.add(number)
        if shared.looking is None:
            shared.looking = asyncio.create_task(self._carry_out(kind, shared))
        found = await asyncio.shield(shared.looking)
        return found.get(number)

    async def _carry_out(self, kind: ItemKind, shared: _Batch) -> dict[int, str]:
        async with self._turns[kind]:
            del self._next[kind]
            return await self._look(kind, list(shared.ids))

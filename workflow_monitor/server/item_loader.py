"""Batched lookups of single scenes and tiles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from workflow_monitor.domain.status import ItemKind

#: function that returns the existing documents of scenes or tiles by id
LoadItems = Callable[[ItemKind, list[int]], Awaitable[dict[int, str]]]


@dataclass(slots=True)
class _Batch:
    ids: set[int] = field(default_factory=set)
    task: asyncio.Task[dict[int, str]] | None = None


class ItemLoader:
    """Combines concurrent lookups: ids requested during a lookup form the next batch.

    A lookup always starts after the request, so no caller receives a state older than its request.
    """

    def __init__(self, load: LoadItems) -> None:
        self._load = load
        self._locks = {kind: asyncio.Lock() for kind in ItemKind}
        #: batches for which the lookup has not started
        self._next: dict[ItemKind, _Batch] = {}

    async def document(self, kind: ItemKind, item_id: int) -> str | None:
        """Return a scene or tile as JSON text, None if it does not exist. Raises the errors of the lookup."""
        batch = self._next.setdefault(kind, _Batch())
        batch.ids.add(item_id)
        if batch.task is None:
            batch.task = asyncio.create_task(self._load_batch(kind, batch))
        documents = await asyncio.shield(batch.task)
        return documents.get(item_id)

    async def _load_batch(self, kind: ItemKind, batch: _Batch) -> dict[int, str]:
        async with self._locks[kind]:
            del self._next[kind]
            return await self._load(kind, list(batch.ids))

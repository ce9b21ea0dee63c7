"""Batches of concurrent requests for scenes and tiles."""

from __future__ import annotations

import asyncio

import pytest

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.item_loader import ItemLoader


class Documents:
    """Source of documents with the number of their query; each query waits for its gate."""

    def __init__(self) -> None:
        self.queries: list[tuple[ItemKind, set[int]]] = []
        self.gates: list[asyncio.Event] = []
        self.error: Exception | None = None

    async def query(self, kind: ItemKind, ids: list[int]) -> dict[int, str]:
        self.queries.append((kind, set(ids)))
        self.gates.append(asyncio.Event())
        documents = {item_id: f"{item_id} of query {len(self.queries)}" for item_id in ids if item_id > 0}
        await self.gates[-1].wait()
        if self.error is not None:
            raise self.error
        return documents


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_requests_during_a_query_share_the_next_one() -> None:
    documents = Documents()
    loader = ItemLoader(documents.query)
    first = asyncio.create_task(loader.document(ItemKind.TILE, 1))
    await settle()
    later = [asyncio.create_task(loader.document(ItemKind.TILE, number)) for number in (1, 2, -1)]
    await settle()
    assert documents.queries == [(ItemKind.TILE, {1})]
    documents.gates[0].set()
    await settle()
    assert documents.queries == [(ItemKind.TILE, {1}), (ItemKind.TILE, {1, 2, -1})]
    assert await first == "1 of query 1"
    documents.gates[1].set()
    # The first query began before these requests, so its documents may be stale.
    assert await asyncio.gather(*later) == ["1 of query 2", "2 of query 2", None]


async def test_scenes_do_not_wait_for_tiles() -> None:
    documents = Documents()
    loader = ItemLoader(documents.query)
    tasks = [asyncio.create_task(loader.document(kind, 7)) for kind in ItemKind]
    await settle()
    assert documents.queries == [(kind, {7}) for kind in ItemKind]
    for gate in documents.gates:
        gate.set()
    assert await asyncio.gather(*tasks) == ["7 of query 1", "7 of query 2"]


async def test_an_error_reaches_every_request_of_its_query_only() -> None:
    documents = Documents()
    loader = ItemLoader(documents.query)
    documents.error = StoreUnavailable("The store has been closed.")
    tasks = [asyncio.create_task(loader.document(ItemKind.SCENE, number)) for number in (1, 2)]
    await settle()
    documents.gates[0].set()
    for task in tasks:
        with pytest.raises(StoreUnavailable):
            await task
    documents.error = None
    again = asyncio.create_task(loader.document(ItemKind.SCENE, 1))
    await settle()
    documents.gates[1].set()
    assert await again == "1 of query 2"


async def test_a_cancelled_request_does_not_affect_the_others() -> None:
    documents = Documents()
    loader = ItemLoader(documents.query)
    tasks = [asyncio.create_task(loader.document(ItemKind.TILE, 1)) for _ in range(2)]
    await settle()
    tasks[0].cancel()
    await settle()
    documents.gates[0].set()
    assert await tasks[1] == "1 of query 1"

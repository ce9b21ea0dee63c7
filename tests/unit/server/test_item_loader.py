"""Scenes and tiles that many ask for at the same time."""

from __future__ import annotations

import asyncio

import pytest

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.item_loader import ItemLoader


class Shelf:
    """Documents that say which look found them; a look waits until it is let go."""

    def __init__(self) -> None:
        self.asked: list[tuple[ItemKind, set[int]]] = []
        self.gates: list[asyncio.Event] = []
        self.trouble: Exception | None = None

    async def look(self, kind: ItemKind, ids: list[int]) -> dict[int, str]:
        self.asked.append((kind, set(ids)))
        self.gates.append(asyncio.Event())
        found = {number: f"{number} of look {len(self.asked)}" for number in ids if number > 0}
        await self.gates[-1].wait()
        if self.trouble is not None:
            raise self.trouble
        return found


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_during_a_look_shares_the_next() -> None:
    shelf = Shelf()
    loader = ItemLoader(shelf.look)
    first = asyncio.create_task(loader.document(ItemKind.TILE, 1))
    await settle()
    later = [asyncio.create_task(loader.document(ItemKind.TILE, number)) for number in (1, 2, -1)]
    await settle()
    assert shelf.asked == [(ItemKind.TILE, {1})]
    shelf.gates[0].set()
    await settle()
    assert shelf.asked == [(ItemKind.TILE, {1}), (ItemKind.TILE, {1, 2, -1})]
    assert await first == "1 of look 1"
    shelf.gates[1].set()
    # what was asked during the first look is not answered from it, which began before the question
    assert await asyncio.gather(*later) == ["1 of look 2", "2 of look 2", None]


async def test_scenes_do_not_wait_for_tiles() -> None:
    shelf = Shelf()
    loader = ItemLoader(shelf.look)
    tasks = [asyncio.create_task(loader.document(kind, 7)) for kind in ItemKind]
    await settle()
    assert shelf.asked == [(kind, {7}) for kind in ItemKind]
    for gate in shelf.gates:
        gate.set()
    assert await asyncio.gather(*tasks) == ["7 of look 1", "7 of look 2"]


async def test_trouble_reaches_all_who_asked_and_is_over_with_the_next_look() -> None:
    shelf = Shelf()
    loader = ItemLoader(shelf.look)
    shelf.trouble = StoreUnavailable("The store has been closed.")
    tasks = [asyncio.create_task(loader.document(ItemKind.SCENE, number)) for number in (1, 2)]
    await settle()
    shelf.gates[0].set()
    for task in tasks:
        with pytest.raises(StoreUnavailable):
            await task
    shelf.trouble = None
    again = asyncio.create_task(loader.document(ItemKind.SCENE, 1))
    await settle()
    shelf.gates[1].set()
    assert await again == "1 of look 2"


async def test_one_who_goes_does_not_take_the_answer_from_the_others() -> None:
    shelf = Shelf()
    loader = ItemLoader(shelf.look)
    tasks = [asyncio.create_task(loader.document(ItemKind.TILE, 1)) for _ in range(2)]
    await settle()
    tasks[0].cancel()
    await settle()
    shelf.gates[0].set()
    assert await tasks[1] == "1 of look 1"

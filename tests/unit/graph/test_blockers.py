"""Blockers, against a brute-force search."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.graph.blockers import Blocker, UnfinishedScenes, UnfinishedTiles, find_blockers

Item = tuple[ItemKind, int]
#: scenes: status by id; tiles: (scene, status, previous) by id
Scenes = dict[int, Status]
Tiles = dict[int, tuple[int, Status, int]]


def blockers_of(tiles: Tiles, scenes: Scenes) -> list[Blocker]:
    unfinished = {tile: row for tile, row in tiles.items() if row[1] is not Status.DONE}
    codes = list(Status)
    columns = [[tile, scene, codes.index(status), previous] for tile, (scene, status, previous) in unfinished.items()]
    rows = [[scene, codes.index(status)] for scene, status in scenes.items() if status is not Status.DONE]
    return find_blockers(
        UnfinishedTiles(*np.array(columns, dtype=np.int64).reshape(-1, 4).T),
        UnfinishedScenes(*np.array(rows, dtype=np.int64).reshape(-1, 2).T),
    )


def holding(tile: int, tiles: Tiles, scenes: Scenes) -> set[Item]:
    """Return the items that hold back a NEW tile until a person repairs them."""
    scene, _, previous = tiles[tile]
    held = set()
    if scenes[scene] in (Status.NEW, Status.RETRY, Status.FAILED):
        held.add((ItemKind.SCENE, scene))
    status = tiles[previous][1] if previous else Status.DONE
    if status in (Status.RETRY, Status.FAILED):
        held.add((ItemKind.TILE, previous))
    elif status is Status.NEW:
        held |= holding(previous, tiles, scenes)
    elif status is Status.DONE and scenes[scene] is Status.DONE:
        held.add((ItemKind.TILE, tile))
    return held


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Tiles, Scenes]:
    scenes = dict(enumerate(draw(st.lists(st.sampled_from(Status), min_size=1, max_size=5)), 1))
    rows = st.tuples(st.sampled_from(sorted(scenes)), st.sampled_from(Status), st.integers(0, 12))
    tiles = {
        tile: (scene, status, previous if previous < tile else 0)
        for tile, (scene, status, previous) in enumerate(draw(st.lists(rows, max_size=12)), 1)
    }
    # the tiles of a scene follow one another directly, if at all
    return {
        tile: (scene, status, previous if previous == 0 or tiles[previous][0] <= scene else 0)
        for tile, (scene, status, previous) in tiles.items()
    }, scenes


@given(graphs())
def test_blockers_equal_a_brute_force_search(graph: tuple[Tiles, Scenes]) -> None:
    tiles, scenes = graph
    held = {tile: holding(tile, tiles, scenes) for tile, row in tiles.items() if row[1] is Status.NEW}
    expected = {
        item: (sum(item in items for items in held.values()), sum(items == {item} for items in held.values()))
        for item in set().union(*held.values())
    }
    found = blockers_of(tiles, scenes)
    assert {(one.kind, one.id): (one.blocked, one.startable) for one in found} == expected
    assert found == sorted(found, key=lambda one: (-one.startable, -one.blocked))


def test_a_scene_in_retry_holds_back_the_rest_of_its_chains() -> None:
    scenes = {1: Status.RETRY, 2: Status.DONE, 3: Status.DONE}
    tiles = {1: (1, Status.NEW, 0), 2: (2, Status.NEW, 1), 3: (3, Status.NEW, 2), 4: (3, Status.PENDING, 0)}
    assert blockers_of(tiles, scenes) == [Blocker(ItemKind.SCENE, 1, 3, 3)]


def test_running_items_are_no_blockers() -> None:
    tiles = {1: (1, Status.NEW, 0), 2: (2, Status.PENDING, 0), 3: (2, Status.NEW, 2)}
    assert blockers_of(tiles, {1: Status.PENDING, 2: Status.DONE}) == []


def test_nothing_blocks_in_an_empty_aoi() -> None:
    assert blockers_of({}, {}) == []

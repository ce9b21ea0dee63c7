"""The items that hold back others: scenes and tiles that wait for a person, and the NEW tiles behind them.

All passes are over arrays, one per step of the longest chain, so that a million tiles take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workflow_monitor.domain.status import ItemKind, Status

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_NEW, _RETRY, _FAILED = (list(Status).index(status) for status in (Status.NEW, Status.RETRY, Status.FAILED))
#: a blocker as a number: position + 1 of a tile, -(position + 1) of a scene
_NO_BLOCKER, _SEVERAL = 0, np.iinfo(np.int64).max


class UnfinishedTiles(NamedTuple):
    """The tiles of an AOI that are not DONE, ordered by id, as arrays of one length; a status is its position in `Status`."""

    id: Integers
    scene: Integers
    status: Integers
    #: id of the previous tile, 0 without one
    previous: Integers


class UnfinishedScenes(NamedTuple):
    """The scenes of an AOI that are not DONE, ordered by id."""

    id: Integers
    status: Integers


class Blocker(NamedTuple):
    """An item that waits for a person, and the NEW tiles that wait for it, directly or through others."""

    kind: ItemKind
    id: int
    #: count of NEW tiles behind the item
    blocked: int
    #: count of the blocked tiles that no other blocker holds back
    startable: int


def find_blockers(tiles: UnfinishedTiles, scenes: UnfinishedScenes) -> list[Blocker]:
    """Return all blockers; the repair of the first one lets most tiles start.

    A scene blocks in RETRY and FAILED, and in NEW after a reset; a tile in RETRY and FAILED, and in NEW if it is ready.
    """
    previous, scene = _positions(tiles.id, tiles.previous), _positions(scenes.id, tiles.scene)
    is_new = tiles.status == _NEW
    has_stuck_scene = is_new & _at(np.isin(scenes.status, (_NEW, _RETRY, _FAILED)), scene)
    has_stuck_previous = is_new & _at(np.isin(tiles.status, (_RETRY, _FAILED)), previous)
    is_reset = is_new & (scene < 0) & (previous < 0)
    parent = np.where(_at(is_new, previous), previous, -1)
    levels = list(_levels(np.flatnonzero(is_new), parent))

    by_scene = np.where(has_stuck_scene, -(scene + 1), _NO_BLOCKER)
    by_tile = np.where(has_stuck_previous, previous + 1, np.where(is_reset, np.arange(len(is_new)) + 1, _NO_BLOCKER))
    only = _joined(by_scene, by_tile)
    behind = is_new.astype(np.int64)
    for level in levels[1:]:
        only[level] = _joined(only[level], only[parent[level]])
    for level in reversed(levels[1:]):
        np.add.at(behind, parent[level], behind[level])

    # behind a tile of the same scene, a tile is counted with that one
    is_first = (parent < 0) | (tiles.scene[parent] != tiles.scene)
    blocked = _sums((by_scene, behind * is_first), (by_tile, behind))
    startable = _sums((only[is_new], np.ones(is_new.sum(), dtype=np.int64)))
    found = [_blocker(code, count, startable.get(code, 0), tiles, scenes) for code, count in blocked.items()]
    return sorted(found, key=lambda blocker: (-blocker.startable, -blocker.blocked, blocker.kind, blocker.id))


def _positions(ids: Integers, wanted: Integers) -> Integers:
    """Return the positions of ids in an ordered array, -1 for ids that it lacks."""
    if len(ids) == 0:
        return np.full(len(wanted), -1)
    positions = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[positions] == wanted, positions, -1)


def _at(values: Booleans, positions: Integers) -> Booleans:
    """Return the values at some positions, False at -1."""
    if len(values) == 0:
        return np.zeros(len(positions), dtype=np.bool_)
    return (positions >= 0) & values[positions]


def _levels(tiles: Integers, parent: Integers) -> Iterator[Integers]:
    """Yield the tiles without a parent, then their children, and so on."""
    children = tiles[parent[tiles] >= 0]
    children = children[np.argsort(parent[children], kind="stable")]
    parents = parent[children]
    level = tiles[parent[tiles] < 0]
    while len(level):
        yield level
        first, last = np.searchsorted(parents, level, "left"), np.searchsorted(parents, level, "right")
        counts = last - first
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        level = children[np.repeat(first, counts) + offsets]


def _joined(one: Integers, other: Integers) -> Integers:
    """Return the only blocker of two, or `_SEVERAL`."""
    is_one = (other == _NO_BLOCKER) | (one == other)
    return np.where(is_one, one, np.where(one == _NO_BLOCKER, other, _SEVERAL))


def _sums(*entries: tuple[Integers, Integers]) -> dict[int, int]:
    """Return the sum of the amounts of each blocker."""
    codes = np.concatenate([codes for codes, _ in entries])
    amounts = np.concatenate([amounts for _, amounts in entries])
    is_blocker = (codes != _NO_BLOCKER) & (codes != _SEVERAL)
    unique, index = np.unique(codes[is_blocker], return_inverse=True)
    sums = np.zeros(len(unique), dtype=np.int64)
    np.add.at(sums, index, amounts[is_blocker])
    return dict(zip(unique.tolist(), sums.tolist(), strict=True))


def _blocker(code: int, blocked: int, startable: int, tiles: UnfinishedTiles, scenes: UnfinishedScenes) -> Blocker:
    if code < 0:
        return Blocker(ItemKind.SCENE, int(scenes.id[-code - 1]), blocked, startable)
    return Blocker(ItemKind.TILE, int(tiles.id[code - 1]), blocked, startable)

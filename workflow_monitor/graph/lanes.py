"""The dependency graph as lanes: a track for each place, a row for each date, as an ingestion is really built.

It is laid out in a few passes over arrays, so that a million tiles take less than a second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Tiles(NamedTuple):
    """The tiles of an AOI ordered by id, as arrays of one length n."""

    id: Integers
    #: id of the tile before it, 0 if there is none
    previous: Integers
    #: days since 1970-01-01 of the acquisition
    day: Integers


class Tracks(NamedTuple):
    """Which tiles follow one another at a place."""

    #: length n: position of the tile before, -1 if there is none
    before: Integers
    #: length n: the track of each tile
    of: Integers
    #: for each track the position of the tile that it begins with
    root: Integers


class Lanes(NamedTuple):
    """Places of the tiles, ordered by row, then by track; no two tiles share a place."""

    #: positions in the given arrays, length n
    order: Integers
    #: length n, in that order
    track: Integers
    #: position in that order of the tile before, -1 if there is none
    previous: Integers
    #: the tiles of row r are from `first[r]` to before `first[r + 1]`
    first: Integers
    #: for each row its day; a day has a second row where a track has two tiles on it
    day: Integers


def tracks(tiles: Tiles) -> Tracks:
    """Return the tracks: the first follower of a tile continues its track, each further follower starts a new one.

    A previous tile outside `tiles` counts as none.
    """
    before = _positions(tiles.id, tiles.previous)
    root, of = np.unique(_roots(_continued(before)), return_inverse=True)
    return Tracks(before, of.reshape(-1), root)


def lanes(tiles: Tiles, chosen: Tracks, place: Integers, days: Integers) -> Lanes:
    """Lay tiles out; `place` is the place of each track from left to right, all different; `days` have a row anyway."""
    count = len(tiles.id)
    track = place[chosen.of] if count else chosen.of
    row, row_days = _rows(track, tiles.day, days)
    order = np.lexsort((track, row))
    positions = np.empty(count, dtype=np.int64)
    positions[order] = np.arange(count)
    linked = chosen.before[order]
    previous = np.where(linked >= 0, positions[linked], -1) if count else linked
    first = np.searchsorted(row[order], np.arange(len(row_days) + 1))
    return Lanes(order, track[order], previous, first, row_days)


def _positions(ids: Integers, requested: Integers) -> Integers:
    """Return the positions of ids in an array of ids; -1 for missing ones."""
    if not len(ids):
        return np.zeros(0, dtype=np.int64)
    indexes = np.minimum(np.searchsorted(ids, requested), len(ids) - 1)
    return np.where(ids[indexes] == requested, indexes, -1)


def _continued(before: Integers) -> Integers:
    """Return for each tile the tile whose track it continues: its previous tile, if it is the first follower."""
    count = len(before)
    parent = np.arange(count)
    followers = np.flatnonzero(before >= 0)
    _, first = np.unique(before[followers], return_index=True)
    heirs = followers[first]
    parent[heirs] = before[heirs]
    return parent


def _roots(parent: Integers) -> Integers:
    """The beginning of each track, by jumping twice as far each time."""
    for _ in range(max(len(parent), 1).bit_length()):
        further = parent[parent]
        if np.array_equal(further, parent):
            break
        parent = further
    return parent


def _rows(track: Integers, day: Integers, days: Integers) -> tuple[Integers, Integers]:
    """The row of each tile, and the day of each row."""
    # Stable: tiles of one track and day stay in the order of their ids.
    order = np.lexsort((day, track))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(track[order]) != 0) | (np.diff(day[order]) != 0)
    since = np.maximum.accumulate(np.where(is_new, np.arange(len(order)), 0))
    repeated = np.empty(len(order), dtype=np.int64)
    repeated[order] = np.arange(len(order)) - since
    # A key for each day and repetition: repetitions are few, so that keys stay small.
    most = int(repeated.max(initial=0)) + 1
    keys, row = np.unique(np.concatenate((day * most + repeated, days * most)), return_inverse=True)
    return row.reshape(-1)[: len(day)], keys // most

"""Lanes: every tile at a place of its own, behind the one that it follows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.graph.lanes import Lanes, Tiles, lanes, tracks


def laid_out(*tiles: tuple[int, int, int], days: tuple[int, ...] = ()) -> tuple[Lanes, list[int]]:
    """Lay out (id, previous, day); tracks are placed in the order of their first tiles."""
    columns = np.array(tiles, dtype=np.int64).reshape(-1, 3)
    given_tiles = Tiles(*columns.T)
    chosen = tracks(given_tiles)
    return lanes(given_tiles, chosen, np.arange(len(chosen.root)), np.array(days, dtype=np.int64)), [
        int(columns[root, 0]) for root in chosen.root
    ]


def cells(laid: Lanes, ids: list[int]) -> dict[int, tuple[int, int]]:
    """Track and row of each tile."""
    rows = np.repeat(np.arange(len(laid.day)), np.diff(laid.first))
    return {ids[at]: (int(laid.track[n]), int(rows[n])) for n, at in enumerate(laid.order)}


def test_nothing() -> None:
    laid, roots = laid_out()
    assert (laid.order.tolist(), laid.first.tolist(), laid.day.tolist(), roots) == ([], [0], [], [])


def test_a_chain_is_one_track_and_each_day_a_row() -> None:
    laid, roots = laid_out((1, 0, 10), (2, 1, 15), (3, 2, 20), (4, 0, 15))
    assert roots == [1, 4]
    assert cells(laid, [1, 2, 3, 4]) == {1: (0, 0), 2: (0, 1), 3: (0, 2), 4: (1, 1)}
    assert laid.day.tolist() == [10, 15, 20]
    assert laid.previous.tolist() == [-1, 0, -1, 1]


def test_the_second_follower_begins_a_track() -> None:
    laid, roots = laid_out((1, 0, 1), (2, 1, 2), (3, 1, 2))
    assert roots == [1, 3]
    assert cells(laid, [1, 2, 3]) == {1: (0, 0), 2: (0, 1), 3: (1, 1)}


def test_two_tiles_of_a_track_on_one_day_have_a_row_each() -> None:
    laid, _ = laid_out((1, 0, 5), (2, 1, 5), (3, 2, 6))
    assert laid.day.tolist() == [5, 5, 6]
    assert cells(laid, [1, 2, 3]) == {1: (0, 0), 2: (0, 1), 3: (0, 2)}


def test_a_day_without_tiles_has_a_row_if_it_is_asked_for() -> None:
    laid, _ = laid_out((1, 0, 5), days=(4, 5, 9))
    assert laid.day.tolist() == [4, 5, 9]
    assert laid.first.tolist() == [0, 0, 1, 1]


def test_a_previous_that_is_not_there_counts_as_none() -> None:
    laid, roots = laid_out((4, 2, 1), (9, 77, 2))
    assert roots == [4, 9]
    assert laid.previous.tolist() == [-1, -1]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-3, 3)), max_size=25))
def test_places_are_unique_and_links_lead_to_whom_they_name(tiles: list[tuple[int, int]]) -> None:
    # A previous may have any id that is there, a smaller one than its follower's.
    ids = [3 * n + 1 for n in range(len(tiles))]
    rows = [(ids[n], ids[back % n] if n and back else 0, day) for n, (back, day) in enumerate(tiles)]
    laid, _ = laid_out(*rows)
    places = cells(laid, ids)
    assert len(set(places.values())) == len(rows)
    assert sorted(places) == ids
    previous = {number: link for number, link, _ in rows}
    for n, at in enumerate(laid.order):
        link = laid.previous[n]
        assert (0 if link < 0 else ids[laid.order[link]]) == previous[ids[at]]
    assert np.all(np.diff(laid.day) >= 0)
    for number, _, day in rows:
        assert laid.day[places[number][1]] == day

"""An order in which everything comes after what it depends on."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence


class CycleError(Exception):
    """Some nodes depend on each other; `members` are those of one circle, in its order."""

    def __init__(self, members: Sequence[int]) -> None:
        super().__init__(members)
        self.members = members


def topological_sort(count: int, needs: Mapping[int, set[int]], rank: Sequence[object] | None = None) -> list[int]:
    """The numbers below `count`, each after all that it needs; otherwise by rank, then by number.

    Raises Cycle.

    >>> topological_sort(3, {0: {2}})
    [1, 2, 0]
    """
    missing = [len(needs.get(node, ())) for node in range(count)]
    followers: dict[int, list[int]] = {}
    for node, needed in needs.items():
        for other in needed:
            followers.setdefault(other, []).append(node)
    ready = [(_rank(rank, node), node) for node in range(count) if not missing[node]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        node = heapq.heappop(ready)[1]
        order.append(node)
        for follower in followers.get(node, ()):
            missing[follower] -= 1
            if not missing[follower]:
                heapq.heappush(ready, (_rank(rank, follower), follower))
    if len(order) < count:
        raise CycleError(_circle(needs, next(node for node in range(count) if missing[node]), missing))
    return order


def _rank(rank: Sequence[object] | None, node: int) -> object:
    return 0 if rank is None else rank[node]


def _circle(needs: Mapping[int, set[int]], start: int, missing: Sequence[int]) -> list[int]:
    walked: dict[int, int] = {}
    node = start
    while node not in walked:
        walked[node] = len(walked)
        node = min(other for other in needs[node] if missing[other])
    return list(walked)[walked[node] :]

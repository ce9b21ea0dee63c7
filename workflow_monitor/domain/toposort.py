"""Topological order with a rank among the nodes that are ready at the same time."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Mapping, Sequence


class CycleError(Exception):
    """Some nodes depend on each other; `members` are the nodes of one cycle, each before a node that it needs."""

    def __init__(self, members: Sequence[int]) -> None:
        super().__init__(members)
        self.members = members


def topological_sort(count: int, needs: Mapping[int, set[int]], rank: Sequence[object] | None = None) -> list[int]:
    """Return the nodes 0 to `count` - 1, each after the nodes that it needs; nodes ready together by rank, then by index.

    Raises CycleError.

    >>> topological_sort(3, {0: {2}})
    [1, 2, 0]
    """
    sorter = graphlib.TopologicalSorter({node: needs.get(node, ()) for node in range(count)})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        # graphlib lists each node before a node that needs it, and the first node twice
        raise CycleError(error.args[1][:0:-1]) from None
    ready: list[tuple[object, int]] = []
    order: list[int] = []
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(ready, (0 if rank is None else rank[node], node))
        node = heapq.heappop(ready)[1]
        order.append(node)
        sorter.done(node)
    return order

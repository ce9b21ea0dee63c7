"""Scenes and tiles as nodes of the drawn graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from workflow_monitor.domain.status import ItemKind


class SceneNode(NamedTuple):
    """A scene in the graph. `status` is a Status or its text."""

    id: int
    source_id: str
    status: str


class TileNode(NamedTuple):
    """A tile in the graph. `status` is a Status or its text."""

    id: int
    #: id of the scene that it belongs to
    scene: int
    source_id: str
    status: str
    #: id of the tile that it follows
    previous: int | None
    #: whether its scene is DONE
    scene_done: bool


@dataclass(frozen=True, slots=True)
class Subgraph:
    """Part of a graph to draw; the default is the whole graph."""

    #: the item in the middle of the subgraph
    around: tuple[ItemKind, int] | None = None
    #: maximum distance from that item, in edges
    steps: int = 0
    #: omit DONE items, except neighbours of other items
    folded: bool = False

    def __str__(self) -> str:
        """Return a description of the subgraph, empty for the whole graph."""
        words = []
        if self.around is not None:
            kind, item_id = self.around
            words.append(f"{kind} {item_id} and its neighbours up to {self.steps} edges away")
        if self.folded:
            words.append("items that are not DONE and their neighbours")
        return f"Only {', of these only '.join(words)}" if words else ""


class GraphSource(Protocol):
    """Source of the scenes and tiles of a graph.

    Each call of a method returns a new iterator over the same transaction. Calls are sequential: `scenes()`, `tiles()`,
    `tiles()` again. Plain tuples with the fields in this order are accepted as well.
    """

    def scenes(self) -> Iterable[SceneNode]:
        """The scenes, ordered by id."""
        ...

    def tiles(self) -> Iterable[TileNode]:
        """The tiles, ordered by the id of their scene, then by their own."""
        ...

"""Scenes and tiles as nodes of a graph that is to be drawn."""

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
    """Which part of a graph is drawn: all of it, if nothing is said."""

    #: an item, and by how many edges at most the others are away from it
    around: tuple[ItemKind, int] | None = None
    steps: int = 0
    #: whether what is DONE is left out, but for the neighbours of what is not
    folded: bool = False

    def __str__(self) -> str:
        """What is left out, in words; nothing if all is there."""
        words = []
        if self.around is not None:
            kind, number = self.around
            words.append(f"{kind} {number} and what is at most {self.steps} edges away")
        if self.folded:
            words.append("what is not DONE and its neighbours")
        return f"Only {', of that '.join(words)}" if words else ""


class GraphSource(Protocol):
    """Where the scenes and tiles of a graph come from.

    Both methods give a fresh iterator at each call, and show the same state: one transaction.
    They are called one after the other, never at once: `scenes()`, `tiles()`, `tiles()` again.
    Plain tuples with the fields in this order do as well as the named ones.
    """

    def scenes(self) -> Iterable[SceneNode]:
        """The scenes, ordered by id."""
        ...

    def tiles(self) -> Iterable[TileNode]:
        """The tiles, ordered by the id of their scene, then by their own."""
        ...

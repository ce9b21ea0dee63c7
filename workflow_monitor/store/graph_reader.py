"""The dependency graph, read from a database."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_monitor.domain.status import ItemKind
from workflow_monitor.graph.nodes import SceneNode, Subgraph, TileNode
from workflow_monitor.store.session import CHUNK, Session


class StoredGraph:
    """A `GraphSource` over a read session."""

    def __init__(self, session: Session, aois: list[int], part: Subgraph) -> None:
        self._session = session
        self._scenes: list[int] | None = None
        tiles: list[int] | None = None
        if part.around is not None:
            self._scenes, tiles = self._around(*part.around, part.steps)
        self._values = aois, tiles, part.folded

    def scenes(self) -> Iterator[SceneNode]:
        for rows in self._session.chunks("graph_scenes", *self._values, self._scenes, size=CHUNK):
            yield from map(SceneNode._make, rows)

    def tiles(self) -> Iterator[TileNode]:
        for rows in self._session.chunks("graph_tiles", *self._values, size=CHUNK):
            yield from map(TileNode._make, rows)

    def _around(self, kind: ItemKind, number: int, steps: int) -> tuple[list[int], list[int]]:
        """Return the ids of the scenes and tiles at most `steps` edges away."""
        scenes = {number} if kind is ItemKind.SCENE else set()
        tiles = {number} if kind is ItemKind.TILE else set()
        new_scenes, new_tiles = set(scenes), set(tiles)
        for _ in range(steps):
            reached = {tile for tile, _ in self._session.rows("neighbours", list(new_scenes), list(new_tiles))} - tiles
            beyond = {scene for (scene,) in self._session.rows("scenes_of", list(new_tiles))} - scenes
            if not reached and not beyond:
                break
            tiles |= reached
            scenes |= beyond
            new_scenes, new_tiles = beyond, reached
        return sorted(scenes), sorted(tiles)

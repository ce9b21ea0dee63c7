"""Scenes and tiles as the state machine reads them: without their payloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from workflow_monitor.domain.models import Scene, Tile
from workflow_monitor.domain.status import Status

_STATUS = {str(status): status for status in Status}


class SQLItemRows:
    """Items selected by id or by neighbour; see `store.interfaces.ItemRows`."""

    def __init__(self, query: Callable[..., list[tuple[Any, ...]]]) -> None:
        self._query = query

    def scenes(self, ids: Iterable[int]) -> list[Scene]:
        return [_scene(row) for row in self._query("scenes", list(ids))]

    def tiles(self, ids: Iterable[int]) -> list[Tile]:
        return self._tiles("tiles", ids)

    def unfinished_tiles_named(self, aoi: int, source_id: str) -> list[Tile]:
        return [_tile(row) for row in self._query("unfinished_tiles_named", aoi, source_id)]

    def tiles_of(self, scenes: Iterable[int]) -> list[Tile]:
        return self._tiles("tiles_of", scenes)

    def followers_of(self, tiles: Iterable[int]) -> list[Tile]:
        return self._tiles("followers_of", tiles)

    def referrers_of(self, tiles: Iterable[int]) -> list[Tile]:
        return self._tiles("referrers_of", tiles)

    def _tiles(self, name: str, ids: Iterable[int]) -> list[Tile]:
        return [_tile(row) for row in self._query(name, list(ids))]


def _scene(row: tuple[Any, ...]) -> Scene:
    return Scene(row[0], row[1], row[2], _STATUS[row[3]], *row[4:])


def _tile(row: tuple[Any, ...]) -> Tile:
    tile_id, aoi, scene, source_id, previous, reference, status, *state = row
    return Tile(tile_id, aoi, scene, source_id, previous, reference, _STATUS[status], *state)

"""Load the items that commands need, in a few queries per batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from workflow_monitor.domain.commands import Command, FailItem, ForceStatus, ReportResults, RetryItem
from workflow_monitor.domain.models import Tile
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, WorkingSet
from workflow_monitor.store.interfaces import ItemRows

P = ParamSpec("P")
T = TypeVar("T")


def load(graph: WorkingSet, rows: ItemRows, request: NotLoaded) -> None:
    """Load the missing items of a request, and the scenes of all tiles loaded with them."""
    missing = graph.missing_from(request)
    loaders = (
        (missing.tiles, rows.tiles),
        (missing.tiles_of, rows.tiles_of),
        (missing.followers_of, rows.followers_of),
        (missing.referrers_of, rows.referrers_of),
    )
    tiles = [tile for ids, load_tiles in loaders if ids for tile in load_tiles(ids)]
    graph.add_tiles(tiles)
    missing.scenes |= graph.missing_from(NotLoaded(scenes={tile.scene for tile in tiles})).scenes
    if missing.scenes:
        graph.add_scenes(rows.scenes(missing.scenes))
    graph.mark_loaded(missing)


def load_place(graph: WorkingSet, rows: ItemRows, tile: Tile) -> None:
    """Load the unfinished tiles of the place of a tile: nearly always the chain before it."""
    tiles = rows.unfinished_tiles_named(tile.aoi, tile.source_id)
    graph.add_tiles(tiles)
    load(
        graph,
        rows,
        NotLoaded(scenes={other.scene for other in tiles}, tiles=previous_tiles(graph, [t.id for t in tiles]).tiles),
    )


def run(
    graph: WorkingSet,
    rows: ItemRows,
    transition: Callable[Concatenate[WorkingSet, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a function of the state machine; load missing items and run it again until it needs no more."""
    while True:
        try:
            with graph.savepoint():
                return transition(graph, *args, **kwargs)
        except NotLoaded as request:
            load(graph, rows, request)


def prefetch(graph: WorkingSet, rows: ItemRows, commands: Sequence[Command]) -> None:
    """Load the items and neighbours that the commands are expected to read."""
    for stage in (_items, _neighbours, _second_degree):
        load(graph, rows, stage(graph, commands))


def previous_tiles(graph: WorkingSet, tiles: Iterable[int]) -> NotLoaded:
    """Return the request for the previous tiles of loaded tiles."""
    loaded = (graph.tile(tile_id) for tile_id in tiles)
    return NotLoaded(tiles={tile.previous for tile in loaded if tile is not None and tile.previous is not None})


def _targets(commands: Iterable[Command]) -> Iterable[tuple[ItemKind, int, Status]]:
    """Yield the items of the commands, each with its requested status."""
    for command in commands:
        match command:
            case ReportResults(results):
                yield from ((result.kind, result.id, result.status) for result in results)
            case RetryItem(kind, item_id):
                yield kind, item_id, Status.PENDING
            case FailItem(kind, item_id):
                yield kind, item_id, Status.FAILED
            case ForceStatus(kind, item_id, status):
                yield kind, item_id, status
            case _:
                pass


def _items(graph: WorkingSet, commands: Iterable[Command]) -> NotLoaded:  # noqa: ARG001 - signature of a stage
    request = NotLoaded()
    for kind, item_id, _ in _targets(commands):
        (request.scenes if kind is ItemKind.SCENE else request.tiles).add(item_id)
    return request


def _neighbours(graph: WorkingSet, commands: Iterable[Command]) -> NotLoaded:
    request = NotLoaded()
    for kind, item_id, status in _targets(commands):
        item = graph.item(kind, item_id)
        if item is None or status is item.status:
            continue
        if not isinstance(item, Tile):
            request.tiles_of.add(item_id)
            continue
        if item.previous is not None and status is not Status.DONE:
            request.tiles.add(item.previous)
        if status in (Status.DONE, Status.FAILED):
            request.followers_of.add(item_id)
        if status is Status.FAILED:
            request.referrers_of.add(item_id)
    return request


def _second_degree(graph: WorkingSet, commands: Iterable[Command]) -> NotLoaded:
    """Request the previous tiles of a scene's tiles, and their followers and referrers if the scene is to fail."""
    request = NotLoaded()
    for kind, item_id, status in _targets(commands):
        scene = graph.scene(item_id) if kind is ItemKind.SCENE else None
        if scene is None or status is scene.status:
            continue
        tiles = graph.tiles_of(scene)
        request.tiles.update(tile.previous for tile in tiles if tile.previous is not None)
        if status is Status.FAILED:
            request.followers_of.update(tile.id for tile in tiles)
            request.referrers_of.update(tile.id for tile in tiles)
    return request

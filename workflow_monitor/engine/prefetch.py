"""What commands are going to need of the graph, so that it is loaded in a few queries for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from workflow_monitor.domain.commands import Command, FailItem, ForceStatus, PreviewFail, ReportResults, RetryItem
from workflow_monitor.domain.models import Tile
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, WorkingSet


def _targets(commands: Iterable[Command]) -> Iterable[tuple[ItemKind, int, Status]]:
    """The items that commands are about and the status that each is to have."""
    for command in commands:
        match command:
            case ReportResults(results):
                yield from ((result.kind, result.id, result.status) for result in results)
            case RetryItem(kind, number):
                yield kind, number, Status.PENDING
            case FailItem(kind, number) | PreviewFail(kind, number):
                yield kind, number, Status.FAILED
            case ForceStatus(kind, number, status):
                yield kind, number, status
            case _:
                pass


def _items(hood: WorkingSet, commands: Iterable[Command]) -> NotLoaded:  # noqa: ARG001 - the same for all stages
    wanted = NotLoaded()
    for kind, number, _ in _targets(commands):
        (wanted.scenes if kind is ItemKind.SCENE else wanted.tiles).add(number)
    return wanted


def _neighbours(hood: WorkingSet, commands: Iterable[Command]) -> NotLoaded:
    wanted = NotLoaded()
    for kind, number, status in _targets(commands):
        item = hood.item(kind, number)
        if item is None or status is item.status:
            continue
        if not isinstance(item, Tile):
            wanted.tiles_of.add(number)
            continue
        if item.previous is not None and status is not Status.DONE:
            wanted.tiles.add(item.previous)
        if status in (Status.DONE, Status.FAILED):
            wanted.followers_of.add(number)
        if status is Status.FAILED:
            wanted.referrers_of.add(number)
    return wanted


def _second_degree(hood: WorkingSet, commands: Iterable[Command]) -> NotLoaded:
    """The tiles before those of the scenes, and what follows these if they are to fail."""
    wanted = NotLoaded()
    for kind, number, status in _targets(commands):
        scene = hood.scene(number) if kind is ItemKind.SCENE else None
        if scene is None or status is scene.status:
            continue
        tiles = hood.tiles_of(scene)
        wanted.tiles.update(tile.previous for tile in tiles if tile.previous is not None)
        if status is Status.FAILED:
            wanted.followers_of.update(tile.id for tile in tiles)
            wanted.referrers_of.update(tile.id for tile in tiles)
    return wanted


#: each is asked when what the one before it wanted has been loaded
STAGES = (_items, _neighbours, _second_degree)


def previous_tiles(hood: WorkingSet, tiles: Iterable[int]) -> NotLoaded:
    """The tiles before these."""
    loaded = (hood.tile(number) for number in tiles)
    return NotLoaded(tiles={tile.previous for tile in loaded if tile is not None and tile.previous is not None})

"""What commands are going to need of the graph, so that it is loaded in a few queries for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from workflow_monitor.domain.commands import Command, Fail, Force, Foresee, Report, Retry
from workflow_monitor.domain.models import Tile
from workflow_monitor.domain.working_set import Missing, Neighbourhood
from workflow_monitor.domain.status import Kind, Status


def _aims(commands: Iterable[Command]) -> Iterable[tuple[Kind, int, Status]]:
    """The items that commands are about and the status that each is to have."""
    for command in commands:
        match command:
            case Report(results):
                yield from ((result.kind, result.id, result.status) for result in results)
            case Retry(kind, number):
                yield kind, number, Status.PENDING
            case Fail(kind, number) | Foresee(kind, number):
                yield kind, number, Status.FAILED
            case Force(kind, number, status):
                yield kind, number, status
            case _:
                pass


def _items(hood: Neighbourhood, commands: Iterable[Command]) -> Missing:  # noqa: ARG001 - the same for all stages
    wanted = Missing()
    for kind, number, _ in _aims(commands):
        (wanted.scenes if kind is Kind.SCENE else wanted.tiles).add(number)
    return wanted


def _neighbours(hood: Neighbourhood, commands: Iterable[Command]) -> Missing:
    wanted = Missing()
    for kind, number, status in _aims(commands):
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


def _beyond(hood: Neighbourhood, commands: Iterable[Command]) -> Missing:
    """The tiles before those of the scenes, and what follows these if they are to fail."""
    wanted = Missing()
    for kind, number, status in _aims(commands):
        scene = hood.scene(number) if kind is Kind.SCENE else None
        if scene is None or status is scene.status:
            continue
        tiles = hood.tiles_of(scene)
        wanted.tiles.update(tile.previous for tile in tiles if tile.previous is not None)
        if status is Status.FAILED:
            wanted.followers_of.update(tile.id for tile in tiles)
            wanted.referrers_of.update(tile.id for tile in tiles)
    return wanted


#: each is asked when what the one before it wanted has been loaded
STAGES = (_items, _neighbours, _beyond)


def previous_tiles(hood: Neighbourhood, tiles: Iterable[int]) -> Missing:
    """The tiles before these."""
    loaded = (hood.tile(number) for number in tiles)
    return Missing(tiles={tile.previous for tile in loaded if tile is not None and tile.previous is not None})

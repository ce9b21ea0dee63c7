"""How new scenes are fitted into the graph: their numbers, and what their links lead to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from workflow_monitor.domain.commands import Ingest
from workflow_monitor.domain.errors import Conflict, FieldError, InvalidInput, SceneExists, shorten_for_message
from workflow_monitor.domain.models import AOI, Link, NewTile, Scene, Tile
from workflow_monitor.domain.status import Status
from workflow_monitor.domain.working_set import NotLoaded
from workflow_monitor.store.interfaces import Payloads

if TYPE_CHECKING:
    from workflow_monitor.engine.unit_of_work import GraphCache

#: at most so many errors are listed
LISTED = 20


@dataclass(slots=True)
class IngestPlan:
    """Scenes with their tiles, ready to be added to the graph."""

    scenes: list[tuple[Scene, list[Tile]]] = field(default_factory=list)
    payloads: Payloads = field(default_factory=lambda: Payloads({}, {}))
    #: ids of the scenes by AOI and source id
    names: dict[tuple[int, str], int] = field(default_factory=dict)


class SceneIdIndex:
    """The ids of scenes by AOI and source id, None of those that are known not to be there."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, str], int | None] = {}

    def look_up(self, graph: GraphCache, commands: Iterable[Ingest]) -> None:
        """Ask the store for the scenes that these commands name, with one question for each AOI."""
        wanted: defaultdict[int, set[str]] = defaultdict(set)
        for command in commands:
            if (aoi := graph.aois.get(command.aoi)) is not None:
                names = _new(command) | _linked(command)
                wanted[aoi.id].update(name for name in names if (aoi.id, name) not in self._ids)
        for number, names in wanted.items():
            if names:
                found = graph.writer.scenes_named(number, names)
                self._ids.update({(number, name): found.get(name) for name in names})

    def add(self, ids: Mapping[tuple[int, str], int]) -> None:
        """Take in scenes that are new."""
        self._ids.update(ids)

    def known(self, aoi: int, names: Iterable[str]) -> dict[str, int]:
        """The ids of those that are there."""
        return {name: number for name in names if (number := self._ids.get((aoi, name))) is not None}


def _new(command: Ingest) -> set[str]:
    return {scene.source_id for scene in command.scenes}


def _linked(command: Ingest) -> set[str]:
    links = (link for scene in command.scenes for tile in scene.tiles for link in (tile.previous, tile.reference))
    return {link.scene for link in links if link is not None}


def plan(graph: GraphCache, names: SceneIdIndex, command: Ingest) -> IngestPlan:
    """What a command adds; `names` are of all that this batch has added or asked for. The graph is not changed.

    Raises AOINotFound, SceneExists, InvalidInput if a link leads nowhere, Conflict if it leads to a FAILED tile.
    """
    aoi = graph.aoi(command.aoi)
    names.look_up(graph, [command])
    if existing := names.known(aoi.id, _new(command)):
        raise SceneExists(aoi.name, existing)
    linked_scenes = set(names.known(aoi.id, _linked(command)).values())
    growth = _assign_ids(graph, aoi, command)
    _resolve(graph, aoi, command, growth, linked_scenes)
    return growth


def _assign_ids(graph: GraphCache, aoi: AOI, command: Ingest) -> IngestPlan:
    growth = IngestPlan()
    scene_numbers, tile_numbers = count(graph.next_scene), count(graph.next_tile)
    for given in command.scenes:
        scene = Scene(next(scene_numbers), aoi.id, given.source_id, retries_left=given.retry_count)
        tiles = []
        for part in given.tiles:
            tile = Tile(next(tile_numbers), aoi.id, scene.id, part.source_id, retries_left=given.retry_count)
            growth.payloads.tiles[tile.id] = part
            tiles.append(tile)
        growth.scenes.append((scene, tiles))
        growth.payloads.scenes[scene.id] = given
        growth.names[aoi.id, given.source_id] = scene.id
    return growth


def _resolve(graph: GraphCache, aoi: AOI, command: Ingest, growth: IngestPlan, linked_scenes: set[int]) -> None:
    graph.load(NotLoaded(scenes=linked_scenes, tiles_of=linked_scenes))
    targets: dict[Link, Tile] = {}
    for number in linked_scenes:
        owner = graph.working_set.scene(number)
        if owner is not None:
            targets.update({Link(owner.source_id, tile.source_id): tile for tile in graph.working_set.tiles_of(owner)})
    links = _Links(aoi, len(command.scenes) > 1)
    for position, (given, (scene, tiles)) in enumerate(zip(command.scenes, growth.scenes, strict=True)):
        targets.update({Link(scene.source_id, tile.source_id): tile for tile in tiles})
        for part, tile in zip(given.tiles, tiles, strict=True):
            tile.previous = links.follow("previous", part, targets, position)
            tile.reference = links.follow("reference", part, targets, position)
    links.check()


class _Links:
    """Follows links, and collects those that cannot be followed."""

    def __init__(self, aoi: AOI, many: bool) -> None:
        self._aoi = aoi
        self._many = many
        self._lost: list[FieldError] = []
        self._failed: list[FieldError] = []

    def follow(self, role: str, part: NewTile, targets: Mapping[Link, Tile], position: int) -> int | None:
        """The id of the tile that a link leads to; of another scene only if that comes earlier."""
        link = part.previous if role == "previous" else part.reference
        if link is None:
            return None
        where = f"{f'[{position}].' if self._many else ''}tiles.{part.source_id}.{role}_tile_id"
        target = targets.get(link)
        if target is None:
            text = f"There is no tile {shorten_for_message(link.tile)} of a scene {shorten_for_message(link.scene)} in the AOI"
            self._lost.append(
                FieldError(where, f"{text} {shorten_for_message(self._aoi.name)}; it has to be added before.")
            )
            return None
        if target.status is Status.FAILED:
            message = f"The tile {shorten_for_message(target.source_id)} (id {target.id}) is FAILED."
            self._failed.append(FieldError(where, message))
        return target.id

    def check(self) -> None:
        """Raise what was found wrong."""
        if self._lost:
            detail = f"{len(self._lost)} links lead to tiles that are not there. Nothing was added."
            raise InvalidInput(detail, self._lost[:LISTED])
        if self._failed:
            detail = f"{len(self._failed)} links lead to tiles that are FAILED: nothing can follow them."
            raise Conflict(f"{detail} Nothing was added.", self._failed[:LISTED])

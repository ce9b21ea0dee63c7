"""Plan an ingestion: assign ids to new scenes and tiles, and resolve their links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from workflow_monitor.domain.commands import Ingest
from workflow_monitor.domain.errors import Conflict, FieldError, InvalidInput, SceneExists, shorten_for_message
from workflow_monitor.domain.models import AOI, IngestOutcome, Link, NewScene, NewTile, Scene, Tile
from workflow_monitor.domain.status import Status
from workflow_monitor.domain.working_set import NotLoaded
from workflow_monitor.engine.graph_cache import GraphCache
from workflow_monitor.store.interfaces import Payloads

#: errors listed in one response
MAX_ERRORS = 20


@dataclass(slots=True)
class IngestPlan:
    """Scenes with their tiles, ready to be added to the graph."""

    scenes: list[tuple[Scene, list[Tile]]] = field(default_factory=list)
    payloads: Payloads = field(default_factory=lambda: Payloads({}, {}))
    #: ids of the new scenes by AOI and source id
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    #: ids of the skipped scenes by source id
    existing: dict[str, int] = field(default_factory=dict)

    def outcome(self) -> IngestOutcome:
        """Return the result of the command."""
        added = {source_id: scene_id for (_, source_id), scene_id in self.names.items()}
        return IngestOutcome(added, len(self.payloads.tiles), self.existing)


class SceneIdIndex:
    """Ids of scenes by AOI and source id; None for a scene that does not exist."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, str], int | None] = {}

    def look_up(self, graph: GraphCache, commands: Iterable[Ingest]) -> None:
        """Load the ids of the scenes that the commands name, in one query per AOI."""
        missing: defaultdict[int, set[str]] = defaultdict(set)
        for command in commands:
            if (aoi := graph.aois.get(command.aoi)) is not None:
                names = {scene.source_id for scene in command.scenes} | _linked_source_ids(command.scenes)
                missing[aoi.id].update(name for name in names if (aoi.id, name) not in self._ids)
        for aoi_id, names in missing.items():
            if names:
                ids = graph.writer.scenes_named(aoi_id, names)
                self._ids.update({(aoi_id, name): ids.get(name) for name in names})

    def add(self, ids: Mapping[tuple[int, str], int]) -> None:
        """Add the ids of new scenes."""
        self._ids.update(ids)

    def existing(self, aoi: int, names: Iterable[str]) -> dict[str, int]:
        """Return the ids of the scenes that exist, by source id."""
        return {name: scene_id for name in names if (scene_id := self._ids.get((aoi, name))) is not None}


def _linked_source_ids(scenes: Iterable[NewScene]) -> set[str]:
    links = (link for scene in scenes for tile in scene.tiles for link in (tile.previous, tile.reference))
    return {link.scene for link in links if link is not None}


def plan_ingest(graph: GraphCache, names: SceneIdIndex, command: Ingest) -> IngestPlan:
    """Return the scenes and tiles that a command adds, without changing the graph.

    Raises AOINotFound, SceneExists, InvalidInput if a link leads nowhere, Conflict if it leads to a FAILED tile.
    """
    aoi = graph.aoi(command.aoi)
    names.look_up(graph, [command])
    existing = names.existing(aoi.id, (scene.source_id for scene in command.scenes))
    if existing and not command.skip_existing:
        raise SceneExists(aoi.name, existing)
    new_scenes = [scene for scene in command.scenes if scene.source_id not in existing]
    linked_scenes = set(names.existing(aoi.id, _linked_source_ids(new_scenes)).values())
    plan = _assign_ids(graph, aoi, new_scenes)
    plan.existing = existing
    _resolve(graph, aoi, new_scenes, plan, linked_scenes)
    return plan


def _assign_ids(graph: GraphCache, aoi: AOI, new_scenes: Sequence[NewScene]) -> IngestPlan:
    plan = IngestPlan()
    scene_ids, tile_ids = count(graph.next_scene), count(graph.next_tile)
    for new_scene in new_scenes:
        scene = Scene(next(scene_ids), aoi.id, new_scene.source_id, retries_left=new_scene.retry_count)
        tiles = []
        for new_tile in new_scene.tiles:
            tile = Tile(next(tile_ids), aoi.id, scene.id, new_tile.source_id, retries_left=new_scene.retry_count)
            plan.payloads.tiles[tile.id] = new_tile
            tiles.append(tile)
        plan.scenes.append((scene, tiles))
        plan.payloads.scenes[scene.id] = new_scene
        plan.names[aoi.id, new_scene.source_id] = scene.id
    return plan


def _resolve(
    graph: GraphCache, aoi: AOI, new_scenes: Sequence[NewScene], plan: IngestPlan, linked_scenes: set[int]
) -> None:
    graph.load(NotLoaded(scenes=linked_scenes, tiles_of=linked_scenes))
    targets: dict[Link, Tile] = {}
    for scene_id in linked_scenes:
        owner = graph.working_set.scene(scene_id)
        if owner is not None:
            targets.update({Link(owner.source_id, tile.source_id): tile for tile in graph.working_set.tiles_of(owner)})
    links = _Links(aoi, len(new_scenes) > 1)
    for position, (new_scene, (scene, tiles)) in enumerate(zip(new_scenes, plan.scenes, strict=True)):
        targets.update({Link(scene.source_id, tile.source_id): tile for tile in tiles})
        for new_tile, tile in zip(new_scene.tiles, tiles, strict=True):
            tile.previous = links.resolve("previous", new_tile, targets, position)
            tile.reference = links.resolve("reference", new_tile, targets, position)
    links.check()


class _Links:
    """Resolver of links that collects the errors."""

    def __init__(self, aoi: AOI, many: bool) -> None:
        self._aoi = aoi
        self._many = many
        self._unknown: list[FieldError] = []
        self._failed: list[FieldError] = []

    def resolve(self, role: str, new_tile: NewTile, targets: Mapping[Link, Tile], position: int) -> int | None:
        """Return the id of the linked tile; None without a link or with a wrong one."""
        link = new_tile.previous if role == "previous" else new_tile.reference
        if link is None:
            return None
        where = f"{f'[{position}].' if self._many else ''}tiles.{new_tile.source_id}.{role}_tile_id"
        target = targets.get(link)
        if target is None:
            text = f"There is no tile {shorten_for_message(link.tile)} of a scene {shorten_for_message(link.scene)} in the AOI"
            self._unknown.append(
                FieldError(where, f"{text} {shorten_for_message(self._aoi.name)}; it has to be added before.")
            )
            return None
        if target.status is Status.FAILED:
            message = f"The tile {shorten_for_message(target.source_id)} (id {target.id}) is FAILED."
            self._failed.append(FieldError(where, message))
        return target.id

    def check(self) -> None:
        """Raise InvalidInput for unknown tiles, Conflict for FAILED ones."""
        if self._unknown:
            detail = f"{len(self._unknown)} links lead to tiles that are not there. Nothing was added."
            raise InvalidInput(detail, self._unknown[:MAX_ERRORS])
        if self._failed:
            detail = f"{len(self._failed)} links lead to tiles that are FAILED: nothing can follow them."
            raise Conflict(f"{detail} Nothing was added.", self._failed[:MAX_ERRORS])

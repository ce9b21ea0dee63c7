"""Example graph, and the appearance of any text in a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_monitor.domain.status import Status
from workflow_monitor.graph.nodes import SceneNode, TileNode


@dataclass(frozen=True)
class Lists:
    """A GraphSource that holds all it has."""

    scene_nodes: Sequence[SceneNode] = ()
    tile_nodes: Sequence[TileNode] = ()

    def scenes(self) -> Sequence[SceneNode]:
        return self.scene_nodes

    def tiles(self) -> Sequence[TileNode]:
        return self.tile_nodes


CHAIN = Lists(
    [
        SceneNode(1, "S1A_20220111", Status.DONE),
        SceneNode(2, "S1A_20220123", Status.PENDING),
        SceneNode(9, "S1A_20220204", Status.FAILED),
    ],
    [
        TileNode(3, 1, "A44_IW1_8951", Status.DONE, None, scene_done=True),
        TileNode(4, 1, "A44_IW1_8979", Status.RETRY, None, scene_done=True),
        TileNode(5, 2, "A44_IW1_8951", Status.NEW, 3, scene_done=False),
        TileNode(6, 2, "A44_IW1_8979", Status.DONE, 4, scene_done=False),
    ],
)


def named(*names: str) -> Lists:
    """Scenes, and a tile each, of these names, numbered from 1."""
    scenes = [SceneNode(number, name, Status.NEW) for number, name in enumerate(names, 1)]
    return Lists(scenes, [TileNode(*scene, None, scene_done=False) for scene in _tiles_of(scenes)])


def _tiles_of(scenes: Sequence[SceneNode]) -> list[tuple[int, int, str, str]]:
    return [(number, number, name, status) for number, name, status in scenes]


def shown(text: str) -> str:
    """Return a text as drawn: control characters as pictures, characters outside XML as U+FFFD."""
    return "".join(map(_shown_character, text))


def _shown_character(character: str) -> str:
    code = ord(character)
    if character in "\t\n":
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF or code in {0xFFFE, 0xFFFF} else character

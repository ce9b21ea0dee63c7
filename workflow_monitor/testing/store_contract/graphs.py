"""The dependency graph and the search of a store."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_monitor.domain.commands import CreateAOI, ForceStatus
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.graph.nodes import SceneNode, Subgraph, TileNode
from workflow_monitor.testing.engine_harness import (
    AOI,
    Running,
    chain,
    new,
    report,
)
from workflow_monitor.testing.store_contract.contract import StoreContractBase


def part(engine: Running, *aois: int, **chosen: Any) -> tuple[list[int], list[tuple[int, int | None]]]:
    """Return the scene ids, and pairs of tile id and previous id, of a subgraph."""
    with engine.store.reader.graph(aois or [1], Subgraph(**chosen)) as graph:
        tiles = [TileNode._make(node) for node in graph.tiles()]
        return [SceneNode._make(node).id for node in graph.scenes()], [(tile.id, tile.previous) for tile in tiles]


def found(engine: Running, text: str, limit: int = 20) -> tuple[int, list[tuple[str, int]]]:
    """Return the total and the first hits of a search."""
    total, items = engine.store.reader.find(1, text, limit)
    return total, [(item.kind, item.id) for item in items]


class GraphContract(StoreContractBase):
    """The graph, its parts, and the search."""

    @pytest.fixture
    def chained(self, engine: Running) -> Running:
        """An engine with a chain of six scenes with one tile each; the first four are DONE."""
        engine.add(AOI, *chain(6))
        for kind in ItemKind:
            for number in range(1, 5):
                report(engine, kind, Status.DONE, number)
        return engine

    def test_the_graph_has_all_scenes_and_tiles_of_the_aois(self, engine: Running) -> None:
        engine.do(CreateAOI("Norway"))
        engine.add(AOI, new("a"), new("b", "a"))
        engine.add("Norway", new("n"))
        report(engine, ItemKind.SCENE, Status.DONE, 1)
        with engine.store.reader.graph([1], Subgraph()) as graph:
            for _ in range(2):
                assert [tuple(node) for node in graph.scenes()] == [(1, "a", "DONE"), (2, "b", "PENDING")]
                assert [tuple(node) for node in graph.tiles()] == [
                    (1, 1, "T32UNG", "PENDING", None, True),
                    (2, 2, "T32UNG", "NEW", 1, False),
                ]
        with engine.store.reader.graph([1, 2], Subgraph()) as graph:
            assert [node.id for node in graph.scenes()] == [1, 2, 3]

    def test_the_subgraph_around_an_item(self, chained: Running) -> None:
        assert part(chained, around=(ItemKind.TILE, 3), steps=0) == ([3], [(3, None)])
        assert part(chained, around=(ItemKind.TILE, 3), steps=1) == ([2, 3, 4], [(2, None), (3, 2), (4, 3)])
        assert part(chained, around=(ItemKind.SCENE, 3), steps=1) == ([3], [(3, None)])
        assert part(chained, around=(ItemKind.SCENE, 3), steps=2)[1] == [(2, None), (3, 2), (4, 3)]
        everything = part(chained)
        assert part(chained, around=(ItemKind.TILE, 1), steps=50) == everything
        assert len(everything[1]) == 6

    def test_done_items_are_folded_except_neighbours_of_others(self, chained: Running) -> None:
        # tile 4 is before tile 5, which is NEW
        assert part(chained, folded=True) == ([4, 5, 6], [(4, None), (5, 4), (6, 5)])
        report(chained, ItemKind.SCENE, Status.DONE, 5, 6)
        report(chained, ItemKind.TILE, Status.DONE, 5, 6)
        assert part(chained, folded=True) == ([], [])
        chained.do(ForceStatus(ItemKind.SCENE, 2, Status.RETRY))
        assert part(chained, folded=True) == ([2], [(2, None)])
        assert part(chained, folded=True, around=(ItemKind.TILE, 5), steps=1) == ([], [])

    def test_an_item_belongs_to_its_own_aoi(self, chained: Running) -> None:
        chained.do(CreateAOI("Norway"))
        chained.add("Norway", new("n"))
        reader = chained.store.reader
        assert [reader.is_in([aoi], kind, 7) for kind in ItemKind for aoi in (1, 2)] == [False, True, False, True]
        assert reader.is_in([1, 2], ItemKind.TILE, 7)
        assert not reader.is_in([1, 2], ItemKind.TILE, 8)

    def test_search_by_name_and_by_id(self, chained: Running) -> None:
        assert found(chained, "S3") == (1, [("scene", 3)])
        assert found(chained, "t32u") == (6, [("tile", n) for n in range(1, 7)])
        assert found(chained, "t32u", 2) == (6, [("tile", 1), ("tile", 2)])
        assert found(chained, "t5") == (1, [("tile", 5)])
        assert found(chained, "s5") == (1, [("scene", 5)])
        # the match by id first, then matches by name
        assert found(chained, "3")[1][:3] == [("scene", 3), ("tile", 3), ("tile", 1)]
        assert found(chained, "nothing") == (0, [])
        _, (tile,) = chained.store.reader.find(1, "t5", 1)
        assert (tile.source_id, tile.scene_source_id, tile.status) == ("T32UNG", "s5", Status.NEW)

    @pytest.mark.parametrize("text", ["%", "_", "'", '"', "\\", "*"])
    def test_search_texts_are_literal(self, engine: Running, text: str) -> None:
        engine.add(AOI, new("plain"), new(f"with {text} in it"))
        assert found(engine, text) == (1, [("scene", 2)])

"""Committed states, as readers see them during writes."""

from __future__ import annotations

import json
import threading

import pytest

from workflow_monitor.domain.commands import DeleteAOI, RetryAOI, SetData
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.graph.nodes import Subgraph
from workflow_monitor.testing.engine_harness import (
    AOI,
    Running,
    ingest,
    items,
    new,
    report,
    texts,
)
from workflow_monitor.testing.store_contract.contract import StoreContractBase


class SnapshotContract(StoreContractBase):
    """Each list reads one committed state."""

    def test_a_list_reads_one_state_during_writes(self, engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shorten(monkeypatch, 10)
        ingest(engine, 100)
        listed = engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "document")
        arrow = engine.store.reader.arrow(ItemKind.SCENE, [1], tuple(Status), None)
        tiles = engine.store.reader.root_tiles(1, "short")
        jobs = engine.store.reader.jobs(ItemKind.SCENE, "", None)
        begun = [next(listed), next(tiles), next(jobs), next(arrow)]
        report(engine, ItemKind.SCENE, Status.DONE, *range(1, 101))
        engine.do(SetData(ItemKind.SCENE, 100, {"graph_name": "late", "tiles": {"T32UNG": {}}}, merge=True))
        engine.do(DeleteAOI(AOI))
        documents = [json.loads(text) for text in begun[0]] + texts(listed)
        assert [document["id"] for document in documents] == list(range(1, 101))
        assert {document["status"] for document in documents} == {"PENDING"}
        assert documents[-1]["data"]["graph_name"] == ""
        assert len(begun[1]) + sum(map(len, tiles)) == 100
        assert {row.withdrawn for row in [*begun[2], *(row for chunk in jobs for row in chunk)]} == {None}
        assert begun[3].num_rows + sum(batch.num_rows for batch in arrow) == 100
        assert items(engine) == []

    def test_the_lists_of_a_graph_read_one_state(self, engine: Running) -> None:
        ingest(engine, 3)
        with engine.store.reader.graph([1], Subgraph()) as graph:
            before = [node.id for node in graph.scenes()]
            report(engine, ItemKind.SCENE, Status.DONE, 1)
            engine.add(AOI, new("later"))
            assert [node.id for node in graph.tiles()] == before
            assert not any(node.scene_done for node in graph.tiles())

    def test_a_list_may_be_moved_between_threads(self, engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shorten(monkeypatch, 2)
        ingest(engine, 20)
        chunks = engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "document")
        ids: list[int] = []

        def read_chunk() -> None:
            ids.extend(json.loads(text)["id"] for text in next(chunks))

        for _ in range(10):
            thread = threading.Thread(target=read_chunk)
            thread.start()
            thread.join()
        assert ids == list(range(1, 21))

    def test_many_threads_read_during_writes(self, engine: Running) -> None:
        ingest(engine, 50)
        stop, mixed = threading.Event(), []

        def read() -> None:
            while not stop.is_set():
                # all 50 scenes change in one transaction, so a list has all of them before or all after it
                documents = texts(engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "document"))
                attempts = {document["attempt"] for document in documents}
                if len(documents) != 50 or len(attempts) != 1:
                    mixed.append((len(documents), attempts))

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(30):
                assert engine.do(RetryAOI(AOI, force=True)) == (50, 0)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert mixed == []

"""JSON documents made by a store."""

from __future__ import annotations

import json

import pytest

from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.domain.commands import CreateAOI, Ingest, LeaseJobs, SetData
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.graph.nodes import Subgraph
from workflow_monitor.testing.engine_harness import (
    AOI,
    DATE,
    SQUARE,
    Running,
    document,
    ingest,
    new,
    report,
    texts,
)
from workflow_monitor.testing.store_contract.contract import StoreContractBase

HOSTILE = (
    'quotes " and \\" and \' and `',
    "back\\slash \\n \\u0041 \\",
    "line\nend\r\n\ttab",
    "controls \x01\x08\x0b\x0c\x1b\x1f\x7f\x85",
    "Ærø 東京 🛰️ \u2028 \u2029 \ufeff \u202e \U0010ffff",
    "'; DROP TABLE scene; --",
    "{{scene_short}} $1 ? %s {0}",
    '</script><img src=x onerror="alert(1)">&amp;',
    " ",
    "null",
)


class DocumentContract(StoreContractBase):
    """Documents of scenes, tiles and features."""

    def test_a_scene_has_its_fields_in_the_order_of_the_examples(self, engine: Running) -> None:
        (number,) = ingest(engine, 1)
        text = document(engine, ItemKind.SCENE, number)
        assert text is not None
        assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
        assert list(json.loads(text)) == [
            *("id", "source_id", "aoi", "data", "status", "message", "RetryCountDown"),
            "attempt",
        ]
        assert json.loads(text) == {
            "id": number,
            "source_id": "S2A_0",
            "aoi": AOI,
            "data": {
                "date": DATE,
                "tiles": {"T32UNG": {"swath_id": "", "tile_nr": 0}},
                "graph_name": "",
                "graph_config": None,
                "record_id": "",
                "metadata": None,
                "is_retriable": False,
                "storage_uri": "",
            },
            "status": "PENDING",
            "message": "",
            "RetryCountDown": 1,
            "attempt": 1,
        }
        assert texts(engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "document")) == [
            json.loads(text)
        ]

    def test_a_tile_has_its_fields_in_the_order_of_the_examples(self, engine: Running) -> None:
        engine.add(AOI, new("a"), new("b", "a"))
        text = document(engine, ItemKind.TILE, 2)
        assert text is not None
        tile = json.loads(text)
        assert list(tile) == [
            *("id", "source_id", "scene", "data", "status", "message", "PreviousID", "ReferenceID", "RetryCountDown"),
            "attempt",
        ]
        assert (tile["PreviousID"], tile["ReferenceID"], tile["attempt"]) == (1, 1, 0)
        assert list(tile["scene"]) == ["id", "source_id", "aoi", "data"]
        assert tile["scene"]["data"]["tiles"] == {"T32UNG": {"swath_id": "", "tile_nr": 0}}
        for listed in (
            texts(engine.store.reader.items(ItemKind.TILE, [1], tuple(Status), None, "document"))[1],
            texts(engine.store.reader.tiles_of(2, "document"))[0],
        ):
            # in lists, the data of the scene have only their date; the other fields are empty
            assert listed["scene"].pop("data") == {
                "date": DATE,
                "graph_name": "",
                "graph_config": None,
                "record_id": "",
                "metadata": None,
                "is_retriable": False,
                "storage_uri": "",
            }
            assert listed == tile | {"scene": {key: tile["scene"][key] for key in ("id", "source_id", "aoi")}}

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_names_and_messages_survive_a_round_trip(self, engine: Running, hostile: str) -> None:
        engine.do(CreateAOI(hostile))
        scene = {
            "source_id": hostile,
            "aoi": hostile,
            "data": {
                "date": DATE,
                "graph_name": hostile,
                "graph_config": {hostile: hostile},
                "metadata": {hostile: [hostile]},
                "tags": {hostile: hostile},
                "geometry": SQUARE,
                "tiles": {hostile: {"swath_id": hostile}},
            },
            "tiles": {hostile: {"data": {"graph_name": hostile}}},
        }
        (number,) = engine.do(Ingest(hostile, [parse_scene(scene, hostile)])).added.values()
        (job,) = engine.do(LeaseJobs("downloader", 1, 100, hostile))
        report(engine, ItemKind.SCENE, Status.RETRY, number, message=hostile)
        shapes = [json.loads(document(engine, ItemKind.SCENE, number) or "")]
        shapes += texts(engine.store.reader.items(ItemKind.SCENE, [2], [Status.RETRY], None, "document"))
        assert shapes[0] == shapes[1]
        assert (shapes[0]["source_id"], shapes[0]["aoi"], shapes[0]["message"]) == (hostile,) * 3
        assert shapes[0]["data"]["metadata"] == {hostile: [hostile]}
        feature = json.loads(engine.store.reader.feature(ItemKind.SCENE, number) or "")["properties"]
        assert (feature["source_id"], feature["aoi"], feature["message"]) == (hostile,) * 3
        assert feature["tags"] == {hostile: hostile}
        (tile,) = texts(engine.store.reader.items(ItemKind.TILE, [2], tuple(Status), None, "document"))
        assert (tile["source_id"], tile["scene"]["source_id"], tile["scene"]["aoi"]) == (hostile,) * 3
        assert tile["data"]["graph_name"] == hostile
        (feature,) = texts(engine.store.reader.items(ItemKind.TILE, [2], tuple(Status), None, "feature"))
        assert feature["properties"]["scene_source_id"] == hostile
        assert json.loads(job.payload)["source_id"] == hostile
        (event,) = engine.store.reader.events(engine.store.reader.event_bounds()[1] - 1, 2, 10)
        assert (event.aoi, event.message) == (hostile, hostile)
        (batch,) = engine.store.reader.arrow(ItemKind.SCENE, [2], tuple(Status), None)
        (row,) = batch.to_pylist()
        assert (row["source_id"], row["aoi"], row["message"]) == (hostile,) * 3
        with engine.store.reader.graph([2], Subgraph()) as graph:
            assert [node.source_id for node in graph.tiles()] == [hostile]

    def test_every_character_of_a_message_is_escaped(self, engine: Running) -> None:
        (number,) = ingest(engine, 1)
        message = "".join(chr(code) for code in [*range(1, 0xD800), *range(0xE000, 0x11000, 7), 0x1F6F0, 0x10FFFF])
        report(engine, ItemKind.SCENE, Status.FAILED, number, message=message)
        assert json.loads(document(engine, ItemKind.SCENE, number) or "")["message"] == message
        assert json.loads(engine.store.reader.feature(ItemKind.SCENE, number) or "")["properties"]["message"] == message

    @pytest.mark.parametrize(
        ("date", "expected"),
        [
            ("2022-01-04T10:34:31.024Z", "2022-01-04T10:34:31.024Z"),
            ("2022-01-04T10:34:31Z", "2022-01-04T10:34:31Z"),
            ("2022-01-04T10:34:30+02:00", "2022-01-04T08:34:30Z"),
            ("2022-12-31T23:59:59.999999Z", "2022-12-31T23:59:59.999999Z"),
            (None, "0001-01-01T00:00:00Z"),
        ],
    )
    def test_dates_are_utc_without_trailing_zeros(self, engine: Running, date: str | None, expected: str) -> None:
        data: dict[str, object] = {"tiles": {"t": {}}} | ({} if date is None else {"date": date})
        engine.do(Ingest(AOI, [parse_scene({"source_id": "s", "aoi": AOI, "data": data, "tiles": {"t": {}}}, AOI)]))
        (listed,) = texts(engine.store.reader.items(ItemKind.TILE, [1], tuple(Status), None, "document"))
        assert listed["scene"]["data"]["date"] == expected
        assert json.loads(engine.store.reader.feature(ItemKind.SCENE, 1) or "")["properties"]["date"] == expected

    def test_features_have_the_note_of_a_repaired_footprint(self, engine: Running) -> None:
        spiked = {"type": "Polygon", "coordinates": [[[9, 54], [10, 54], [12, 54], [10, 54], [10, 55], [9, 54]]]}
        data = {"geometry": spiked, "tiles": {"t": {}}}
        engine.do(Ingest(AOI, [parse_scene({"source_id": "s", "aoi": AOI, "data": data, "tiles": {"t": {}}}, AOI)]))
        for kind in ItemKind:
            (feature,) = texts(engine.store.reader.items(kind, [1], tuple(Status), None, "feature"))
            assert feature["properties"]["geometry_note"] == "Repaired: Self-intersection[12 54]."
        engine.do(SetData(ItemKind.SCENE, 1, {**data, "geometry": SQUARE}))
        (feature,) = texts(engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "feature"))
        assert feature["properties"]["geometry_note"] is None

    def test_features_have_the_footprint_of_the_tile_or_of_its_scene(self, engine: Running) -> None:
        data = {"date": DATE, "geometry": SQUARE, "tags": {"constellation": "S2"}, "tiles": {"t": {}}}
        engine.do(Ingest(AOI, [parse_scene({"source_id": "s", "aoi": AOI, "data": data, "tiles": {"t": {}}}, AOI)]))
        engine.add(AOI, new("without"))
        scene, without = texts(engine.store.reader.items(ItemKind.SCENE, [1], tuple(Status), None, "feature"))
        assert list(scene) == ["type", "id", "geometry", "properties"]
        assert (scene["type"], scene["id"], scene["geometry"]) == ("Feature", 1, SQUARE)
        assert scene["properties"]["geometry_origin"] == "geometry"
        assert scene["properties"]["tags"] == {"constellation": "S2"}
        assert scene["properties"]["data"]["geometry"] == SQUARE
        assert (without["geometry"], without["properties"]["geometry_origin"]) == (None, None)
        assert without["properties"]["tags"] == {}
        tile, bare = texts(engine.store.reader.items(ItemKind.TILE, [1], tuple(Status), None, "feature"))
        assert (tile["geometry"], tile["properties"]["geometry_origin"]) == (SQUARE, "scene")
        assert (tile["properties"]["scene"], tile["properties"]["scene_source_id"]) == (1, "s")
        assert (bare["geometry"], bare["properties"]["geometry_origin"]) == (None, None)
        assert texts(engine.store.reader.tiles_of(1, "feature")) == [tile]
        assert json.loads(engine.store.reader.feature(ItemKind.TILE, 1) or "") == tile
        assert texts(engine.store.reader.root_tiles(1, "feature")) == [tile, bare]

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.model import Link, NewScene
from tests.running import DATE, START, Running, running
from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, Fail, Force, Ingest, Lease, Report, RetryAOI, SetData
from workflow_monitor.domain.documents import read_scene
from workflow_monitor.domain.model import Page, Result, Roots
from workflow_monitor.domain.nodes import GraphPart, SceneNode, TileNode
from workflow_monitor.domain.status import Cause, Kind, Status
from workflow_monitor.store import reader

AOI = "Denmark"
SQUARE = {"type": "Polygon", "coordinates": [[[9.0, 55.0], [10.0, 55.0], [10.0, 56.0], [9.0, 56.0], [9.0, 55.0]]]}
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


@pytest.fixture
def engine() -> Iterator[Running]:
    with running() as engine:
        engine.do(CreateAOI(AOI))
        yield engine


def texts(chunks: Iterable[list[str]]) -> list[Any]:
    return [json.loads(text) for chunk in chunks for text in chunk]


def numbers(chunks: Iterable[list[str]]) -> list[int]:
    return [document["id"] for document in texts(chunks)]


def new(name: str, previous: str | None = None, countdown: int = 1) -> NewScene:
    return NewScene(name, countdown, {"T32UNG": None if previous is None else (Link(previous, "T32UNG"),) * 2})


def grow(engine: Running, number: int, aoi: str = AOI) -> list[int]:
    return engine.ingest(aoi, *[new(f"S2A_{index}") for index in range(number)])


def report(engine: Running, kind: Kind, status: Status, *ids: int, message: str = "") -> None:
    results = [Result(kind=kind, id=number, status=status, message=message) for number in ids]
    assert {outcome.outcome for outcome in engine.do(Report(results))} == {"applied"}


def items(engine: Running, kind: Kind = Kind.SCENE, *statuses: Status, page: Page | None = None) -> list[int]:
    aois = [aoi.id for aoi in engine.store.reader.aois()]
    return numbers(engine.store.reader.items(kind, aois, statuses or tuple(Status), page, "document"))


# ---- documents


def test_a_scene_has_its_fields_in_the_order_of_the_examples(engine: Running) -> None:
    (number,) = grow(engine, 1)
    text = engine.store.reader.scene(number, "document")
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
    assert texts(engine.store.reader.items(Kind.SCENE, [1], tuple(Status), None, "document")) == [json.loads(text)]


def test_a_tile_has_its_fields_in_the_order_of_the_examples(engine: Running) -> None:
    engine.ingest(AOI, new("a"), new("b", "a"))
    text = engine.store.reader.tile(2, "document")
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
        texts(engine.store.reader.items(Kind.TILE, [1], tuple(Status), None, "document"))[1],
        texts(engine.store.reader.tiles_of(2, "document"))[0],
    ):
        # in lists the data of the scene have its date alone, the other fields are zero
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
def test_names_and_messages_come_out_as_they_went_in(engine: Running, hostile: str) -> None:
    engine.do(CreateAOI(hostile))
    document = {
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
    (number,) = engine.do(Ingest(hostile, [read_scene(document, hostile)]))
    (job,) = engine.do(Lease("downloader", 1, 100, hostile))
    report(engine, Kind.SCENE, Status.RETRY, number, message=hostile)
    shapes = [json.loads(engine.store.reader.scene(number, "document") or "")]
    shapes += texts(engine.store.reader.items(Kind.SCENE, [2], [Status.RETRY], None, "document"))
    assert shapes[0] == shapes[1]
    assert (shapes[0]["source_id"], shapes[0]["aoi"], shapes[0]["message"]) == (hostile,) * 3
    assert shapes[0]["data"]["metadata"] == {hostile: [hostile]}
    feature = json.loads(engine.store.reader.scene(number, "feature") or "")["properties"]
    assert (feature["source_id"], feature["aoi"], feature["message"]) == (hostile,) * 3
    assert feature["tags"] == {hostile: hostile}
    (tile,) = texts(engine.store.reader.items(Kind.TILE, [2], tuple(Status), None, "document"))
    assert (tile["source_id"], tile["scene"]["source_id"], tile["scene"]["aoi"]) == (hostile,) * 3
    assert tile["data"]["graph_name"] == hostile
    (feature,) = texts(engine.store.reader.items(Kind.TILE, [2], tuple(Status), None, "feature"))
    assert feature["properties"]["scene_source_id"] == hostile
    assert json.loads(job.payload)["source_id"] == hostile
    (event,) = engine.store.reader.events(engine.store.reader.event_bounds()[1] - 1, 2, 10)
    assert (event.aoi, event.message) == (hostile, hostile)
    (batch,) = engine.store.reader.arrow(Kind.SCENE, [2], tuple(Status), None)
    (row,) = batch.to_pylist()
    assert (row["source_id"], row["aoi"], row["message"]) == (hostile,) * 3
    with engine.store.reader.graph([2], GraphPart()) as graph:
        assert [node.source_id for node in graph.tiles()] == [hostile]


def test_all_characters_of_a_message_are_escaped_as_json_wants(engine: Running) -> None:
    (number,) = grow(engine, 1)
    message = "".join(chr(code) for code in [*range(1, 0xD800), *range(0xE000, 0x11000, 7), 0x1F6F0, 0x10FFFF])
    report(engine, Kind.SCENE, Status.FAILED, number, message=message)
    assert json.loads(engine.store.reader.scene(number, "document") or "")["message"] == message
    assert json.loads(engine.store.reader.scene(number, "feature") or "")["properties"]["message"] == message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2022-01-04T10:34:31.024Z", "2022-01-04T10:34:31.024Z"),
        ("2022-01-04T10:34:31Z", "2022-01-04T10:34:31Z"),
        ("2022-01-04T10:34:30+02:00", "2022-01-04T08:34:30Z"),
        ("2022-12-31T23:59:59.999999Z", "2022-12-31T23:59:59.999999Z"),
        (None, "0001-01-01T00:00:00Z"),
    ],
)
def test_dates_are_told_in_utc_without_idle_zeros(engine: Running, given: str | None, told: str) -> None:
    data: dict[str, object] = {"tiles": {"t": {}}} | ({} if given is None else {"date": given})
    engine.do(Ingest(AOI, [read_scene({"source_id": "s", "aoi": AOI, "data": data, "tiles": {"t": {}}}, AOI)]))
    (listed,) = texts(engine.store.reader.items(Kind.TILE, [1], tuple(Status), None, "document"))
    assert listed["scene"]["data"]["date"] == told
    assert json.loads(engine.store.reader.scene(1, "feature") or "")["properties"]["date"] == told


# ---- features


def test_features_have_the_footprint_of_the_tile_or_of_its_scene(engine: Running) -> None:
    data = {"date": DATE, "geometry": SQUARE, "tags": {"constellation": "S2"}, "tiles": {"t": {}}}
    engine.do(Ingest(AOI, [read_scene({"source_id": "s", "aoi": AOI, "data": data, "tiles": {"t": {}}}, AOI)]))
    engine.ingest(AOI, new("without"))
    scene, without = texts(engine.store.reader.items(Kind.SCENE, [1], tuple(Status), None, "feature"))
    assert list(scene) == ["type", "id", "geometry", "properties"]
    assert (scene["type"], scene["id"], scene["geometry"]) == ("Feature", 1, SQUARE)
    assert scene["properties"]["geometry_origin"] == "geometry"
    assert scene["properties"]["tags"] == {"constellation": "S2"}
    assert scene["properties"]["data"]["geometry"] == SQUARE
    assert (without["geometry"], without["properties"]["geometry_origin"]) == (None, None)
    assert without["properties"]["tags"] == {}
    tile, bare = texts(engine.store.reader.items(Kind.TILE, [1], tuple(Status), None, "feature"))
    assert (tile["geometry"], tile["properties"]["geometry_origin"]) == (SQUARE, "scene")
    assert (tile["properties"]["scene"], tile["properties"]["scene_source_id"]) == (1, "s")
    assert (bare["geometry"], bare["properties"]["geometry_origin"]) == (None, None)
    assert texts(engine.store.reader.tiles_of(1, "feature")) == [tile]
    assert json.loads(engine.store.reader.tile(1, "feature") or "") == tile
    assert texts(engine.store.reader.root_tiles(1, "feature")) == [tile, bare]


# ---- lists


def test_items_are_listed_by_status_and_aoi_in_the_order_of_their_ids(engine: Running) -> None:
    engine.do(CreateAOI("Norway"))
    grow(engine, 4)
    engine.ingest("Norway", new("n"))
    report(engine, Kind.SCENE, Status.DONE, 3, 1)
    engine.do(Force(Kind.SCENE, 2, Status.RETRY))
    assert items(engine) == [1, 2, 3, 4, 5]
    assert items(engine, Kind.SCENE, Status.DONE) == [1, 3]
    assert items(engine, Kind.SCENE, Status.RETRY, Status.DONE) == [1, 2, 3]
    assert items(engine, Kind.TILE, Status.PENDING) == [1, 3]
    assert items(engine, Kind.SCENE, Status.FAILED) == []
    read = engine.store.reader.items
    assert numbers(read(Kind.SCENE, [2], tuple(Status), None, "document")) == [5]
    assert numbers(read(Kind.SCENE, [], tuple(Status), None, "document")) == []
    assert list(read(Kind.SCENE, [99], tuple(Status), None, "document")) == []


def test_pages_make_up_the_whole(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 3)
    grow(engine, 23)
    report(engine, Kind.SCENE, Status.DONE, *range(1, 24, 2))
    for limit in (1, 3, 4, 23, 100):
        pages = [items(engine, Kind.SCENE, Status.DONE, page=Page(number, limit)) for number in range(24 // limit + 1)]
        assert [number for page in pages for number in page] == list(range(1, 24, 2))
        assert {len(page) for page in pages[:-1] if page} <= {limit, 12 % limit}
    assert items(engine, page=Page(2**62, 2**62)) == []
    assert items(engine, page=Page(0, 2**63 - 1)) == list(range(1, 24))


def test_long_lists_come_in_chunks(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 4)
    grow(engine, 10)
    lengths = [len(chunk) for chunk in engine.store.reader.items(Kind.SCENE, [1], tuple(Status), None, "document")]
    assert lengths == [4, 4, 2]
    assert [len(chunk) for chunk in engine.store.reader.jobs(Kind.SCENE, "", None)] == [4, 4, 2]
    assert [len(chunk) for chunk in engine.store.reader.root_tiles(1, "short")] == [4, 4, 2]


def test_ids_that_are_not_there(engine: Running) -> None:
    for number in (0, -1, 7, 2**63 - 1):
        assert engine.store.reader.scene(number, "document") is None
        assert engine.store.reader.tile(number, "feature") is None
        assert not engine.store.reader.has_scene(number)
        assert list(engine.store.reader.tiles_of(number, "document")) == []


def test_roots_and_leaves(engine: Running) -> None:
    engine.ingest(AOI, new("a"), new("b", "a"), new("c", "b"), new("alone"), new("failed"))
    report(engine, Kind.SCENE, Status.FAILED, 5)
    assert numbers(engine.store.reader.root_tiles(1, "short")) == [1, 4]
    assert numbers(engine.store.reader.leaf_tiles(1, "short")) == [3, 4]
    (root, _) = texts(engine.store.reader.root_tiles(1, "short"))
    assert list(root) == ["id", "source_id", "scene", "data"]
    moment = START.replace(hour=10, minute=34, second=31, microsecond=24_000)
    assert engine.store.reader.roots(1) == Roots(2, moment, moment)
    report(engine, Kind.SCENE, Status.FAILED, 1)
    assert numbers(engine.store.reader.root_tiles(1, "short")) == [2, 4]
    report(engine, Kind.SCENE, Status.FAILED, 3)
    assert numbers(engine.store.reader.leaf_tiles(1, "short")) == [2, 4]
    assert engine.store.reader.roots(99) == Roots(0, None, None)


def test_the_graph_has_all_scenes_and_tiles_of_the_aois(engine: Running) -> None:
    engine.do(CreateAOI("Norway"))
    engine.ingest(AOI, new("a"), new("b", "a"))
    engine.ingest("Norway", new("n"))
    report(engine, Kind.SCENE, Status.DONE, 1)
    with engine.store.reader.graph([1], GraphPart()) as graph:
        for _ in range(2):
            assert [tuple(node) for node in graph.scenes()] == [(1, "a", "DONE"), (2, "b", "PENDING")]
            assert [tuple(node) for node in graph.tiles()] == [
                (1, 1, "T32UNG", "PENDING", None, True),
                (2, 2, "T32UNG", "NEW", 1, False),
            ]
    with engine.store.reader.graph([1, 2], GraphPart()) as graph:
        assert [node.id for node in graph.scenes()] == [1, 2, 3]


# ---- Arrow


@pytest.mark.parametrize("kind", list(Kind))
def test_arrow_batches_say_what_the_documents_say(engine: Running, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BATCH", 3)
    engine.ingest(AOI, new("a"), new("b", "a"), new("c", "b"))
    grow(engine, 5)
    report(engine, Kind.SCENE, Status.RETRY, 1, message="again")
    batches = list(engine.store.reader.arrow(kind, [1], tuple(Status), None))
    assert {str(batch.schema) for batch in batches} == {str(batches[0].schema)}
    rows = [row for batch in batches for row in batch.to_pylist()]
    documents = texts(engine.store.reader.items(kind, [1], tuple(Status), None, "document"))
    for row, document in zip(rows, documents, strict=True):
        for key in set(row) & set(document) - {"scene", "aoi", "data", "date"}:
            assert row[key] == document[key], key
        assert json.loads(row["data"]) == document["data"]
        assert row["aoi"] == AOI
    if kind is Kind.TILE:
        assert [row["scene"] for row in rows] == [document["scene"]["id"] for document in documents]


@pytest.mark.parametrize("kind", list(Kind))
def test_arrow_has_a_schema_also_without_rows(engine: Running, kind: Kind) -> None:
    empty = list(engine.store.reader.arrow(kind, [1], tuple(Status), None))
    grow(engine, 2)
    full = list(engine.store.reader.arrow(kind, [1], tuple(Status), None))
    assert [batch.num_rows for batch in (*empty, *full)] == [0, 2]
    assert empty[0].schema.equals(full[0].schema, check_metadata=True)


# ---- jobs


def test_jobs_are_listed_by_state(engine: Running) -> None:
    grow(engine, 5)
    engine.do(Lease("downloader", 2, 100, "w"))
    report(engine, Kind.SCENE, Status.DONE, 1)
    engine.do(Fail(Kind.SCENE, 4, force=True))

    def listed(state: str, page: Page | None = None) -> list[int]:
        rows = [row for chunk in engine.store.reader.jobs(Kind.SCENE, state, page) for row in chunk]
        assert [row.id for row in rows] == sorted(row.id for row in rows)
        return [json.loads(row.message)["id"] for row in rows]

    assert listed("leased") == [2]
    assert listed("queued") == [3, 4, 5], "with what was withdrawn before anybody took it"
    assert listed("") == [2, 3, 5]
    assert engine.store.reader.backlog(Kind.SCENE) == (2, 1)
    assert listed("", Page(1, 2)) == [5]
    (row,) = [row for chunk in engine.store.reader.jobs(Kind.SCENE, "queued", Page(1, 1)) for row in chunk]
    assert (row.withdrawn, row.published, row.attempt) == (START, START, 1)


def test_the_job_of_a_tile_names_its_scene_and_the_tiles_before_it(engine: Running) -> None:
    engine.ingest(AOI, new("a"), new("b", "a"))
    report(engine, Kind.SCENE, Status.DONE, 1, 2)
    first, *_ = [row for chunk in engine.store.reader.jobs(Kind.TILE, "", None) for row in chunk]
    root = json.loads(first.message)
    assert list(root) == ["id", "source_id", "scene", "data", "tile_previous", "tile_reference"]
    assert root["scene"]["source_id"] == "a"
    assert root["tile_previous"] == root["tile_reference"]
    assert root["tile_previous"]["id"] == 0
    assert root["tile_previous"]["scene"]["data"]["date"] == "0001-01-01T00:00:00Z"
    report(engine, Kind.TILE, Status.DONE, 1)
    (row,) = [row for chunk in engine.store.reader.jobs(Kind.TILE, "", None) for row in chunk]
    follower = json.loads(row.message)
    assert follower["tile_previous"] == follower["tile_reference"]
    assert follower["tile_previous"] == {key: root[key] for key in ("id", "source_id", "scene", "data")}


# ---- events


def test_events_are_read_after_a_number_and_by_aoi(engine: Running) -> None:
    assert engine.store.reader.event_bounds() == (1, 1)
    engine.do(CreateAOI("Norway"))
    grow(engine, 1)
    engine.ingest("Norway", new("n"))
    events = engine.store.reader.events(0, None, 100)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert engine.store.reader.event_bounds() == (1, len(events))
    assert engine.store.reader.events(2, None, 2) == events[2:4]
    assert engine.store.reader.events(len(events), None, 10) == []
    assert [event.aoi for event in engine.store.reader.events(2, 2, 10)] == ["Norway", "Norway"]
    assert events[0].cause is Cause.CREATE
    assert {event.who for event in events} == {"tester"}


def test_an_aoi_that_is_deleted_leaves_its_creation_and_deletion_in_the_log(engine: Running) -> None:
    grow(engine, 2)
    engine.do(DeleteAOI(AOI))
    events = engine.store.reader.events(0, None, 100)
    assert [(event.aoi, event.type, event.cause) for event in events] == [
        (AOI, "aoi", Cause.CREATE),
        (AOI, "aoi", Cause.DELETE),
    ]
    assert list(engine.store.reader.history(1, None, None, "scene", None, None, None)) == []


def test_the_history_is_filtered(engine: Running) -> None:
    grow(engine, 2)
    for moment, status in enumerate((Status.RETRY, Status.RETRY, Status.DONE), start=1):
        engine.clock.seconds = moment
        report(engine, Kind.SCENE, status, 1)

    def history(**filters: Any) -> list[tuple[str, int, Any]]:
        names = ("since", "until", "kind", "item", "status", "page")
        chunks = engine.store.reader.history(1, *(filters.get(name) for name in names))
        return [(event.type, event.id, event.after) for chunk in chunks for event in chunk]

    everything = history()
    assert len(everything) == 9
    of_scene = [("scene", 1, s) for s in (Status.PENDING, Status.PENDING, Status.RETRY, Status.DONE)]
    assert history(kind="scene", item=1) == of_scene
    assert history(kind="tile", item=1)[0] == ("tile", 1, Status.NEW)
    assert history(since=START + timedelta(seconds=2), until=START + timedelta(seconds=3)) == of_scene[2:3]
    assert history(until=START + timedelta(seconds=1)) == everything[:5]
    assert history(status=Status.DONE) == of_scene[3:]
    assert history(page=Page(1, 3)) == everything[3:6]
    assert history(kind="aoi") == [("aoi", 1, Status.NEW)]
    assert list(engine.store.reader.history(99, None, None, None, None, None, None)) == []


# ---- one state


def test_a_list_shows_one_state_while_others_write(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 10)
    grow(engine, 100)
    listed = engine.store.reader.items(Kind.SCENE, [1], tuple(Status), None, "document")
    arrow = engine.store.reader.arrow(Kind.SCENE, [1], tuple(Status), None)
    tiles = engine.store.reader.root_tiles(1, "short")
    jobs = engine.store.reader.jobs(Kind.SCENE, "", None)
    begun = [next(listed), next(tiles), next(jobs), next(arrow)]
    report(engine, Kind.SCENE, Status.DONE, *range(1, 101))
    engine.do(SetData(Kind.SCENE, 100, {"graph_name": "late", "tiles": {"T32UNG": {}}}, merge=True))
    engine.do(DeleteAOI(AOI))
    documents = [json.loads(text) for text in begun[0]] + texts(listed)
    assert [document["id"] for document in documents] == list(range(1, 101))
    assert {document["status"] for document in documents} == {"PENDING"}
    assert documents[-1]["data"]["graph_name"] == ""
    assert len(begun[1]) + sum(map(len, tiles)) == 100
    assert {row.withdrawn for row in [*begun[2], *(row for chunk in jobs for row in chunk)]} == {None}
    assert begun[3].num_rows + sum(batch.num_rows for batch in arrow) == 100
    assert items(engine) == []


def test_two_lists_of_a_graph_show_one_state(engine: Running) -> None:
    grow(engine, 3)
    with engine.store.reader.graph([1], GraphPart()) as graph:
        before = [node.id for node in graph.scenes()]
        report(engine, Kind.SCENE, Status.DONE, 1)
        engine.ingest(AOI, new("later"))
        assert [node.id for node in graph.tiles()] == before
        assert not any(node.scene_done for node in graph.tiles())


def cursors(engine: Running, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many cursors are open, in its only element."""
    number, opened = [0], engine.store.reader._source._open_cursor  # type: ignore[attr-defined]

    class Counted:
        def __enter__(self) -> Any:
            self.cursor = opened()
            number[0] += 1
            return self.cursor.__enter__()

        def __exit__(self, *error: object) -> Any:
            number[0] -= 1
            return self.cursor.__exit__(*error)

    monkeypatch.setattr(engine.store.reader._source, "_open_cursor", Counted)  # type: ignore[attr-defined]
    return number


def test_a_list_that_is_closed_early_lets_its_cursor_go(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 2)
    grow(engine, 10)
    number, read = cursors(engine, monkeypatch), engine.store.reader
    lists: list[Any] = [
        read.items(Kind.SCENE, [1], tuple(Status), None, "document"),
        read.tiles_of(1, "document"),
        read.leaf_tiles(1, "short"),
        read.jobs(Kind.SCENE, "", None),
        read.history(1, None, None, None, None, None, None),
        read.arrow(Kind.TILE, [1], tuple(Status), None),
    ]
    for each in lists:
        next(each)
    assert number == [len(lists)]
    for each in lists:
        each.close()
    assert number == [0]
    forgotten = read.leaf_tiles(1, "short")
    next(forgotten)
    del forgotten
    gc.collect()
    assert number == [0]
    # a snapshot that was still open would keep the log from being written into the file
    with engine.store.reader._source._open_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("CHECKPOINT")


def test_a_list_may_be_moved_between_threads(engine: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK", 2)
    grow(engine, 20)
    chunks = engine.store.reader.items(Kind.SCENE, [1], tuple(Status), None, "document")
    found: list[int] = []

    def take() -> None:
        found.extend(json.loads(text)["id"] for text in next(chunks))

    for _ in range(10):
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()
    assert found == list(range(1, 21))


def test_many_threads_read_while_one_writes(engine: Running) -> None:
    grow(engine, 50)
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            # all 50 scenes change in one transaction: a list has them all before, or all after
            found = texts(engine.store.reader.items(Kind.SCENE, [1], tuple(Status), None, "document"))
            attempts = {document["attempt"] for document in found}
            if len(found) != 50 or len(attempts) != 1:
                wrong.append((len(found), attempts))

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
    assert wrong == []


# ---- parts of the graph, and finding


def part(engine: Running, *aois: int, **chosen: Any) -> tuple[list[int], list[tuple[int, int | None]]]:
    """The scenes, and the tiles with what they follow."""
    with engine.store.reader.graph(aois or [1], GraphPart(**chosen)) as graph:
        tiles = [TileNode._make(node) for node in graph.tiles()]
        return [SceneNode._make(node).id for node in graph.scenes()], [(tile.id, tile.previous) for tile in tiles]


@pytest.fixture
def chain(engine: Running) -> Running:
    """Six scenes with a tile each, one after the other; the first four are DONE."""
    engine.ingest(AOI, new("s1"), *[new(f"s{n}", f"s{n - 1}") for n in range(2, 7)])
    for kind in Kind:
        for number in range(1, 5):
            report(engine, kind, Status.DONE, number)
    return engine


def test_the_neighbourhood_of_an_item(chain: Running) -> None:
    assert part(chain, around=(Kind.TILE, 3), steps=0) == ([3], [(3, None)])
    assert part(chain, around=(Kind.TILE, 3), steps=1) == ([2, 3, 4], [(2, None), (3, 2), (4, 3)])
    assert part(chain, around=(Kind.SCENE, 3), steps=1) == ([3], [(3, None)])
    assert part(chain, around=(Kind.SCENE, 3), steps=2)[1] == [(2, None), (3, 2), (4, 3)]
    everything = part(chain)
    assert part(chain, around=(Kind.TILE, 1), steps=50) == everything
    assert len(everything[1]) == 6


def test_what_is_done_is_folded_but_for_the_neighbours_of_what_is_not(chain: Running) -> None:
    # tile 4 is before tile 5, which is NEW
    assert part(chain, folded=True) == ([4, 5, 6], [(4, None), (5, 4), (6, 5)])
    report(chain, Kind.SCENE, Status.DONE, 5, 6)
    report(chain, Kind.TILE, Status.DONE, 5, 6)
    assert part(chain, folded=True) == ([], [])
    chain.do(Force(Kind.SCENE, 2, Status.RETRY))
    assert part(chain, folded=True) == ([2], [(2, None)])
    assert part(chain, folded=True, around=(Kind.TILE, 5), steps=1) == ([], [])


def test_an_item_is_looked_for_in_its_own_aoi(chain: Running) -> None:
    chain.do(CreateAOI("Norway"))
    chain.ingest("Norway", new("n"))
    reader = chain.store.reader
    assert [reader.is_in([aoi], kind, 7) for kind in Kind for aoi in (1, 2)] == [False, True, False, True]
    assert reader.is_in([1, 2], Kind.TILE, 7)
    assert not reader.is_in([1, 2], Kind.TILE, 8)


def found(engine: Running, text: str, limit: int = 20) -> tuple[int, list[tuple[str, int]]]:
    total, items = engine.store.reader.find(1, text, limit)
    return total, [(item.kind, item.id) for item in items]


def test_finding_by_name_and_by_id(chain: Running) -> None:
    assert found(chain, "S3") == (1, [("scene", 3)])
    assert found(chain, "t32u") == (6, [("tile", n) for n in range(1, 7)])
    assert found(chain, "t32u", 2) == (6, [("tile", 1), ("tile", 2)])
    assert found(chain, "t5") == (1, [("tile", 5)])
    assert found(chain, "s5") == (1, [("scene", 5)])
    # as an id first, then what has it in its name
    assert found(chain, "3")[1][:3] == [("scene", 3), ("tile", 3), ("tile", 1)]
    assert found(chain, "nothing") == (0, [])
    _, (tile,) = chain.store.reader.find(1, "t5", 1)
    assert (tile.source_id, tile.scene_source_id, tile.status) == ("T32UNG", "s5", Status.NEW)


@pytest.mark.parametrize("text", ["%", "_", "'", '"', "\\", "*"])
def test_finding_takes_texts_as_they_are(engine: Running, text: str) -> None:
    engine.ingest(AOI, new("plain"), new(f"with {text} in it"))
    assert found(engine, text) == (1, [("scene", 2)])

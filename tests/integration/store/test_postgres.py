"""The database of a Geocube ingester: read, adopted by a store, and returned to its former schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.postgres import PostgreSQL
from workflow_monitor.domain.commands import CreateAOI, FailItem, LeaseJobs, RetryItem
from workflow_monitor.domain.errors import Conflict, StoreUnavailable
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.engine.queries import Queries
from workflow_monitor.store import open_store
from workflow_monitor.store.postgres.connection import ConnectionInfo
from workflow_monitor.store.postgres.schema import undo
from workflow_monitor.testing.engine_harness import Running, engine_on, new, numbers, report, texts

#: schema of the ingester's database, with pgq_jobs and an unrelated table
INGESTER = """
CREATE SEQUENCE scene_nid_seq;
CREATE SEQUENCE tile_nid_seq;
CREATE TABLE aoi (id text UNIQUE NOT NULL, status text NOT NULL DEFAULT 'NEW');
CREATE TABLE scene (
    id integer PRIMARY KEY DEFAULT nextval('scene_nid_seq'), aoi_id text NOT NULL REFERENCES aoi (id) ON DELETE CASCADE,
    status text NOT NULL, message text NOT NULL DEFAULT '', source_id text NOT NULL, data jsonb NOT NULL,
    retry_countdown int NOT NULL DEFAULT 0);
CREATE INDEX idx_scene_aoi ON scene (aoi_id);
CREATE TABLE tile (
    id integer PRIMARY KEY DEFAULT nextval('tile_nid_seq'), scene_id integer NOT NULL REFERENCES scene ON DELETE CASCADE,
    status text NOT NULL, message text NOT NULL DEFAULT '', prev integer REFERENCES tile, ref integer REFERENCES tile,
    source_id text NOT NULL, data jsonb NOT NULL, retry_countdown int NOT NULL DEFAULT 0, UNIQUE (source_id, scene_id));
CREATE INDEX idx_tile_scene ON tile (scene_id);
CREATE INDEX idx_tile_prev ON tile (prev);
CREATE INDEX idx_tile_ref ON tile (ref);
CREATE TABLE pgq_jobs (
    id serial PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), queue_name text NOT NULL, data bytea NOT NULL,
    run_after timestamptz NOT NULL, retry_waits text[] NOT NULL, ran_at timestamptz, error text);
CREATE INDEX idx_pgq ON pgq_jobs (queue_name, run_after) WHERE ran_at IS NULL;
CREATE TABLE unrelated (name text);
INSERT INTO aoi VALUES ('Norge', 'RETRY'), ('Denmark', 'PENDING'), ('empty', 'NEW');
"""
STATUSES = ["DONE", "DONE", "PENDING", "RETRY", "FAILED"]


def filled(url: str) -> str:
    """Fill a database with scenes of two AOIs in all statuses and tiles in two chains; return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(INGESTER)
        for number in range(1, 11):
            aoi, status = ("Denmark", "Norge")[number % 2], STATUSES[(number - 1) // 2]
            data = {
                "date": f"2022-01-{number:02}T23:30:00{'-05:00' if number == 3 else 'Z'}", "graph_name": "S1",
                "tiles": {"t": {"swath_id": "", "tile_nr": 0}}, "graph_config": {"b": "2", "a": "1"}, "record_id": "r",
                "metadata": {"x": 1.5}, "is_retriable": False, "storage_uri": "s3://there",
            }  # fmt: skip
            connection.execute(
                "INSERT INTO scene (aoi_id, status, message, source_id, data, retry_countdown) VALUES (%s,%s,%s,%s,%s,%s)",
                (aoi, status, f"said {number}", f"scene {number}", json.dumps(data), number - 3),
            )
            is_done = status == "DONE"
            previous = number - 2 if number > 2 else None
            connection.execute(
                "INSERT INTO tile (scene_id, status, prev, ref, source_id, data, retry_countdown) "
                "VALUES (%s, %s, %s, %s, 't', %s, 2)",
                (
                    number,
                    "PENDING" if is_done and number > 2 else "DONE" if is_done else "NEW",
                    previous,
                    (1 + (number - 1) % 2) if previous else None,
                    json.dumps({"swath_id": "", "tile_nr": 0, "graph_name": "", "is_retriable": True}),
                ),
            )
    return url


@pytest.fixture
def ingester(postgresql: PostgreSQL) -> Iterator[str]:
    """URL of a filled database of an ingester."""
    with postgresql.database() as url:
        yield filled(url)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


INGESTER_STATE = {
    "aoi": "SELECT id, status FROM aoi ORDER BY id",
    "scene": "SELECT id, aoi_id, status, message, source_id, data::text, retry_countdown FROM scene ORDER BY id",
    "tile": "SELECT id, scene_id, status, message, prev, ref, source_id, data::text, retry_countdown FROM tile ORDER BY id",
    "sequences": "SELECT last_value, is_called FROM scene_nid_seq UNION ALL SELECT last_value, is_called FROM tile_nid_seq",
    "columns": "SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns "
    "WHERE table_schema = 'public' AND column_name NOT LIKE 'wm\\_%' ORDER BY 1, 2",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE '%wm\\_%' ORDER BY 1, 2",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%wm\\_%' "
    "ORDER BY 1",
}


def ingester_state(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows, sequences, columns, constraints and indexes of the ingester."""
    return {name: rows(url, statement) for name, statement in INGESTER_STATE.items()}


def documents(engine: Running) -> dict[Any, Any]:
    """Return the AOIs with their counts, graph ends, and documents of scenes and tiles."""
    aois = sorted(engine.store.reader.aois(), key=lambda aoi: aoi.name)
    lists = {
        kind: {
            aoi.name: texts(engine.store.reader.items(kind, [aoi.id], tuple(Status), None, "document")) for aoi in aois
        }
        for kind in ItemKind
    }
    return {
        "aois": {aoi.name: (aoi.status, +aoi.scenes, +aoi.tiles, +aoi.tiles_of_done_scenes) for aoi in aois},
        "roots": {aoi.name: engine.store.reader.roots(aoi.id) for aoi in aois},
        "ends": {aoi.name: numbers(engine.store.reader.leaf_tiles(aoi.id, "short")) for aoi in aois},
        ItemKind.SCENE: lists[ItemKind.SCENE],
        ItemKind.TILE: lists[ItemKind.TILE],
    }


def test_additions_leave_the_ingester_unchanged_and_can_be_undone(postgresql: PostgreSQL, ingester: str) -> None:
    before, dump = ingester_state(ingester), postgresql.dump(ingester)
    open_store(ingester).close()
    assert ingester_state(ingester) == before
    assert postgresql.dump(ingester) != dump
    open_store(ingester).close()
    assert undo(ingester)
    # the updated rows have another position in their tables
    assert sorted(postgresql.dump(ingester).splitlines()) == sorted(dump.splitlines())
    assert not undo(ingester)


def test_the_ingestion_continues(ingester: str) -> None:
    with engine_on(open_store(ingester)) as engine:
        assert [aoi.name for aoi in engine.store.reader.aois()] == ["Denmark", "Norge", "empty"]
        listed = documents(engine)
        (third,) = [scene for scene in listed[ItemKind.SCENE]["Norge"] if scene["id"] == 3]
        assert third["source_id"] == "scene 3"
        assert third["message"] == "said 3"
        assert third["RetryCountDown"] == 0
        assert third["data"]["graph_config"] == {"a": "1", "b": "2"}
        assert third["data"]["storage_uri"] == "s3://there"
        assert listed["aois"]["Norge"][1] == {Status.DONE: 2, Status.PENDING: 1, Status.RETRY: 1, Status.FAILED: 1}
        leased = engine.do(LeaseJobs("downloader", 10, 60, "w"))
        assert [json.loads(job.payload)["id"] for job in leased] == [5, 6]
        report(engine, ItemKind.SCENE, Status.DONE, 5, message="")
        report(engine, ItemKind.TILE, Status.DONE, 3)
        engine.do(RetryItem(ItemKind.SCENE, 7))
        (number,) = engine.add("Norge", new("new one"))
        assert number == 11
    state = dict(rows(ingester, "SELECT id, status FROM scene"))
    assert [state[number] for number in (5, 7, 11)] == ["DONE", "PENDING", "PENDING"]
    assert rows(ingester, "SELECT status FROM tile WHERE id IN (3, 5) ORDER BY id") == [("DONE",), ("PENDING",)]
    assert rows(ingester, "SELECT scene_id, source_id, prev, status FROM tile WHERE id = 11") == [
        (11, "T32UNG", None, "NEW")
    ]
    # readable by the ingester, and its sequences continue after the new ids
    (data,) = rows(ingester, "SELECT data FROM scene WHERE id = 11")[0]
    assert set(data) <= {
        "date", "tiles", "graph_name", "graph_config", "record_id", "instances_id", "metadata", "is_retriable",
        "storage_uri",
    }  # fmt: skip
    assert rows(ingester, "SELECT nextval('scene_nid_seq'), nextval('tile_nid_seq')") == [(12, 12)]
    assert rows(ingester, "SELECT status FROM aoi WHERE id = 'Norge'") == [("RETRY",)] or state[7] == "PENDING"


def test_undo_keeps_the_changes_of_items(ingester: str) -> None:
    with engine_on(open_store(ingester)) as engine:
        engine.do(CreateAOI("Fyn"))
        engine.add("Fyn", new("a"), new("b", "a"))
        engine.do(FailItem(ItemKind.SCENE, 7))
    before = ingester_state(ingester)
    assert undo(ingester)
    assert ingester_state(ingester) == before
    assert ("Fyn", "PENDING") in before["aoi"]


def test_a_read_only_store_needs_no_additions_and_no_write_permission(postgresql: PostgreSQL, ingester: str) -> None:
    with psycopg.connect(ingester, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS readonly")
        connection.execute("CREATE ROLE readonly LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA public TO readonly; GRANT SELECT ON aoi, scene, tile TO readonly")
    rows_before, dump = ingester_state(ingester), postgresql.dump(ingester)
    try:
        readonly = ingester.replace("postgres@", "readonly@")
        with pytest.raises(StoreUnavailable, match="read_only"):
            open_store(readonly)
        store = open_store(readonly, read_only=True)
        try:
            read = documents(Running(store, None, None))  # type: ignore[arg-type]
            preview = Queries(store.reader).preview_fail(ItemKind.SCENE, 7)
            assert next((change.kind, change.id, change.after) for change in preview) == (
                ItemKind.SCENE,
                7,
                Status.FAILED,
            )
            assert store.reader.events(0, None, 10) == []
            with pytest.raises(Conflict):
                store.back_up(1)
        finally:
            store.close()
    finally:
        after = ingester_state(ingester), postgresql.dump(ingester)
        with psycopg.connect(ingester, autocommit=True) as connection:
            connection.execute("DROP OWNED BY readonly; DROP ROLE readonly")
    assert after == (rows_before, dump)
    with engine_on(open_store(ingester)) as engine:
        added = documents(engine)
    assert added["aois"] == read["aois"]
    assert added["roots"] == read["roots"]
    assert added["ends"] == read["ends"]
    for kind in ItemKind:
        assert {name: without_attempt(listed) for name, listed in added[kind].items()} == {
            name: without_attempt(listed) for name, listed in read[kind].items()
        }


def without_attempt(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove the attempts, which the ingester does not store."""
    return [{key: value for key, value in document.items() if key != "attempt"} for document in documents]


def test_a_read_only_store_reads_the_additions(ingester: str) -> None:
    with engine_on(open_store(ingester)) as engine:
        before = len(engine.events())
        store = open_store(ingester, read_only=True)
        preview = Queries(store.reader).preview_fail(ItemKind.SCENE, 7)
        store.close()
        engine.do(FailItem(ItemKind.SCENE, 7, force=True))
        assert [(event.type, event.id, event.after) for event in engine.events()[before:]] == [
            (change.kind, change.id, change.after) for change in preview
        ]
        events, listed = engine.events(), documents(engine)
        store = open_store(ingester, read_only=True)
        try:
            reading = Running(store, None, None)  # type: ignore[arg-type]
            assert reading.events() == events
            assert documents(reading) == listed
        finally:
            store.close()


def test_tables_of_another_program_are_refused_unchanged(postgresql: PostgreSQL, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE scene (id integer, title text); CREATE TABLE aoi (id text, status text)")
    dump = postgresql.dump(postgres_url)
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match=r"not those of a Geocube ingester: there is no scene\.aoi_id"):
            open_store(postgres_url, read_only=read_only)
    assert postgresql.dump(postgres_url) == dump


def test_a_read_only_store_creates_no_tables(postgresql: PostgreSQL, postgres_url: str) -> None:
    dump = postgresql.dump(postgres_url)
    with pytest.raises(StoreUnavailable, match="no tables of an ingestion"):
        open_store(postgres_url, read_only=True)
    assert postgresql.dump(postgres_url) == dump


def test_a_newer_version_is_refused(postgres_url: str) -> None:
    open_store(postgres_url).close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("INSERT INTO workflow_monitor.schema_version VALUES (99)")
    with pytest.raises(StoreUnavailable, match="version 99, which a newer workflow-monitor wrote"):
        open_store(postgres_url)


def test_a_read_only_connection_cannot_write(postgres_url: str) -> None:
    reading = ConnectionInfo(postgres_url).connect(read_only=True)
    with reading as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE added (id integer)")


@pytest.mark.parametrize("url", ["postgresql://postgres:secret@127.0.0.1:1/none", "postgresql://a:secret@[127.0.0.1/x"])
def test_connection_errors_omit_the_password(url: str) -> None:
    with pytest.raises(StoreUnavailable) as error:
        open_store(url)
    assert "secret" not in error.value.detail

"""The database of a Geocube ingester: opened as it is, looked at, added to, and given back as it was."""

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
from workflow_monitor.store import open_store
from workflow_monitor.store.postgres.connection import ConnectionInfo
from workflow_monitor.store.postgres.schema import undo
from workflow_monitor.testing.engine_harness import Running, engine_on, new, numbers, report, texts

#: as PEER-BEHAVIOUR.md tells of it, with what such a database holds besides
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
CREATE TABLE somebody_elses (what text);
INSERT INTO aoi VALUES ('Norge', 'RETRY'), ('Denmark', 'PENDING'), ('empty', 'NEW');
"""
STATUSES = ["DONE", "DONE", "PENDING", "RETRY", "FAILED"]


def filled(url: str) -> str:
    """An ingestion in the tables: scenes of two AOIs in all statuses, tiles in two chains."""
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
    """The URL of an ingester's database."""
    with postgresql.database() as url:
        yield filled(url)


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


THEIRS = {
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


def theirs(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that is the ingester's."""
    return {name: rows(url, statement) for name, statement in THEIRS.items()}


def documents(engine: Running) -> dict[Any, Any]:
    """What the lists say, with the AOIs and their workloads."""
    aois = sorted(engine.store.reader.aois(), key=lambda aoi: aoi.name)
    list_backups = {
        kind: {
            aoi.name: texts(engine.store.reader.items(kind, [aoi.id], tuple(Status), None, "document")) for aoi in aois
        }
        for kind in ItemKind
    }
    return {
        "aois": {aoi.name: (aoi.status, +aoi.scenes, +aoi.tiles, +aoi.tiles_of_done_scenes) for aoi in aois},
        "roots": {aoi.name: engine.store.reader.roots(aoi.id) for aoi in aois},
        "ends": {aoi.name: numbers(engine.store.reader.leaf_tiles(aoi.id, "short")) for aoi in aois},
        ItemKind.SCENE: list_backups[ItemKind.SCENE],
        ItemKind.TILE: list_backups[ItemKind.TILE],
    }


def test_what_we_add_changes_nothing_of_theirs_and_can_be_taken_away(postgresql: PostgreSQL, ingester: str) -> None:
    before, dump = theirs(ingester), postgresql.dump(ingester)
    open_store(ingester).close()
    assert theirs(ingester) == before
    assert postgresql.dump(ingester) != dump
    open_store(ingester).close()
    assert undo(ingester)
    # rows that were written again stand elsewhere in their table
    assert sorted(postgresql.dump(ingester).splitlines()) == sorted(dump.splitlines())
    assert not undo(ingester)


def test_their_work_goes_on_where_it_was(ingester: str) -> None:
    with engine_on(open_store(ingester)) as engine:
        assert [aoi.name for aoi in engine.store.reader.aois()] == ["Denmark", "Norge", "empty"]
        seen = documents(engine)
        (third,) = [scene for scene in seen[ItemKind.SCENE]["Norge"] if scene["id"] == 3]
        assert third["source_id"] == "scene 3"
        assert third["message"] == "said 3"
        assert third["RetryCountDown"] == 0
        assert third["data"]["graph_config"] == {"a": "1", "b": "2"}
        assert third["data"]["storage_uri"] == "s3://there"
        assert seen["aois"]["Norge"][1] == {Status.DONE: 2, Status.PENDING: 1, Status.RETRY: 1, Status.FAILED: 1}
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
    # as their own server reads it, and numbers the next
    (data,) = rows(ingester, "SELECT data FROM scene WHERE id = 11")[0]
    assert set(data) <= {
        "date", "tiles", "graph_name", "graph_config", "record_id", "instances_id", "metadata", "is_retriable",
        "storage_uri",
    }  # fmt: skip
    assert rows(ingester, "SELECT nextval('scene_nid_seq'), nextval('tile_nid_seq')") == [(12, 12)]
    assert rows(ingester, "SELECT status FROM aoi WHERE id = 'Norge'") == [("RETRY",)] or state[7] == "PENDING"


def test_what_was_done_over_their_tables_stays_there_when_ours_go(ingester: str) -> None:
    with engine_on(open_store(ingester)) as engine:
        engine.do(CreateAOI("Fyn"))
        engine.add("Fyn", new("a"), new("b", "a"))
        engine.do(FailItem(ItemKind.SCENE, 7))
    before = theirs(ingester)
    assert undo(ingester)
    assert theirs(ingester) == before
    assert ("Fyn", "PENDING") in before["aoi"]


def test_looking_needs_nothing_to_be_added_and_no_right_to_change(postgresql: PostgreSQL, ingester: str) -> None:
    with psycopg.connect(ingester, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS looker")
        connection.execute("CREATE ROLE looker LOGIN")
        connection.execute("GRANT USAGE ON SCHEMA public TO looker; GRANT SELECT ON aoi, scene, tile TO looker")
    rows_before, dump = theirs(ingester), postgresql.dump(ingester)
    try:
        looker = ingester.replace("postgres@", "looker@")
        with pytest.raises(StoreUnavailable, match="read_only"):
            open_store(looker)
        store = open_store(looker, read_only=True)
        try:
            looked = documents(Running(store, None, None))  # type: ignore[arg-type]
            assert store.reader.events(0, None, 10) == []
            with pytest.raises(Conflict):
                store.back_up(1)
        finally:
            store.close()
    finally:
        after = theirs(ingester), postgresql.dump(ingester)
        with psycopg.connect(ingester, autocommit=True) as connection:
            connection.execute("DROP OWNED BY looker; DROP ROLE looker")
    assert after == (rows_before, dump)
    with engine_on(open_store(ingester)) as engine:
        added = documents(engine)
    assert added["aois"] == looked["aois"]
    assert added["roots"] == looked["roots"]
    assert added["ends"] == looked["ends"]
    for kind in ItemKind:
        assert {name: without_attempt(found) for name, found in added[kind].items()} == {
            name: without_attempt(found) for name, found in looked[kind].items()
        }


def without_attempt(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Documents without what only we count."""
    return [{key: value for key, value in document.items() if key != "attempt"} for document in found]


def test_looking_at_what_we_have_added_to_sees_all_of_it(ingester: str) -> None:
    with engine_on(open_store(ingester)) as engine:
        engine.do(FailItem(ItemKind.SCENE, 7))
        events, seen = engine.events(), documents(engine)
        store = open_store(ingester, read_only=True)
        try:
            looking = Running(store, None, None)  # type: ignore[arg-type]
            assert looking.events() == events
            assert documents(looking) == seen
        finally:
            store.close()


def test_tables_of_something_else_are_left_as_they_are(postgresql: PostgreSQL, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE scene (id integer, title text); CREATE TABLE aoi (id text, status text)")
    dump = postgresql.dump(postgres_url)
    for read_only in (False, True):
        with pytest.raises(StoreUnavailable, match=r"not those of a Geocube ingester: there is no scene\.aoi_id"):
            open_store(postgres_url, read_only=read_only)
    assert postgresql.dump(postgres_url) == dump


def test_an_empty_database_is_not_filled_by_looking(postgresql: PostgreSQL, postgres_url: str) -> None:
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


def test_who_only_looks_cannot_change_anything(postgres_url: str) -> None:
    looking = ConnectionInfo(postgres_url).connect(read_only=True)
    with looking as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE added (id integer)")


@pytest.mark.parametrize("url", ["postgresql://postgres:secret@127.0.0.1:1/none", "postgresql://a:secret@[127.0.0.1/x"])
def test_a_database_that_cannot_be_had_is_told_without_its_password(url: str) -> None:
    with pytest.raises(StoreUnavailable) as error:
        open_store(url)
    assert "secret" not in error.value.detail

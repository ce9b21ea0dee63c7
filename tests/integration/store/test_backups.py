"""A backup is a consistent copy of a store in use; a restore keeps the replaced files."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.disk_harness import AOI, answer, names, running_on, scenes
from tests.engine_harness import Running
from tests.integration.store.test_duckdb import held
from tests.integration.store.test_high_water_mark import beside, contents, image
from tests.invariants import found_wrong
from tests.scale import effort
from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, LeaseJobs
from workflow_monitor.domain.errors import Conflict, StoreInUse, StoreUnavailable
from workflow_monitor.store import open_store
from workflow_monitor.store.duckdb import backups
from workflow_monitor.store.duckdb import restore as restore_module
from workflow_monitor.store.duckdb.backups import backup_folder, list_backups
from workflow_monitor.store.duckdb.files import acquire_lock
from workflow_monitor.store.duckdb.lock import OwnerLock
from workflow_monitor.store.duckdb.restore import GAP, restore

SEED = os.environ.get("WORKFLOW_MONITOR_SEED") or str(random.randrange(10**6))
ROUNDS = effort(4, 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'it\'s a "store" & more.duckdb'


def fill(engine: Running, number: int = 20) -> None:
    engine.do(CreateAOI(AOI))
    engine.ingest(AOI, *scenes(0, number))


def back_up(engine: Running, keep: int = 7) -> Path:
    return Path(engine.store.back_up(keep).file)


@pytest.fixture
def backed_up(path: Path) -> Path:
    """A store of 20 scenes with a backup, and 10 more scenes after it."""
    with running_on(path) as engine:
        fill(engine)
        back_up(engine)
        engine.ingest(AOI, *scenes(20, 10))
    return path


def restored(path: Path, **options: object) -> list[str]:
    restore(path, **options)  # type: ignore[arg-type]
    with running_on(path) as engine:
        assert found_wrong(engine) == []
        return names(engine)


def refusal(path: Path, **options: object) -> str:
    before = contents(path.parent)
    with pytest.raises(StoreUnavailable) as error:
        restore(path, **options)  # type: ignore[arg-type]
    assert contents(path.parent) == before
    return error.value.detail


# ---- backups


def test_a_backup_contains_all_acknowledged_transactions(path: Path) -> None:
    with running_on(path) as engine:
        fill(engine)
        backup = back_up(engine)
        assert backup.parent == backup_folder(path)
        assert backup.stat().st_mode & 0o777 == 0o600
        assert backup.parent.stat().st_mode & 0o777 == 0o700
        expected = engine.snapshot(), engine.events()
    with running_on(backup) as engine:
        assert (engine.snapshot(), engine.events()) == expected
        assert found_wrong(engine) == []


def test_a_backup_has_the_tables_and_their_constraints(path: Path) -> None:
    with running_on(path) as engine:
        fill(engine)
        backup = back_up(engine)

    def of(file: Path) -> object:
        with duckdb.connect(str(file), read_only=True) as connection:
            tables = "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY ALL"
            constraints = "SELECT table_name, constraint_text FROM duckdb_constraints() ORDER BY ALL"
            version = "SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL"
            return [connection.execute(statement).fetchall() for statement in (tables, constraints, version)]

    assert of(backup) == of(path)


def test_the_oldest_backups_are_deleted(path: Path) -> None:
    with running_on(path) as engine:
        fill(engine)
        made = [back_up(engine, keep=2) for _ in range(4)]
        assert [file.exists() for file in made] == [False, False, True, True]
        assert [backup.file for backup in engine.store.backups()] == [str(made[3]), str(made[2])]
    (backup_folder(path) / "something else").write_text("stays")
    with running_on(path) as engine:
        back_up(engine, keep=1)
    assert len(list_backups(path)) == 1
    assert (backup_folder(path) / "something else").exists()


def test_concurrent_backups_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, may_end = threading.Event(), threading.Event()
    copy = backups._copy

    def slow(cursor: duckdb.DuckDBPyConnection, new: Path) -> None:
        started.set()
        assert may_end.wait(30)
        copy(cursor, new)

    monkeypatch.setattr(backups, "_copy", slow)
    with running_on(path) as engine:
        fill(engine)
        thread = threading.Thread(target=back_up, args=(engine,))
        thread.start()
        assert started.wait(30)
        with pytest.raises(Conflict, match="being made"):
            back_up(engine)
        engine.ingest(AOI, *scenes(100, 1))
        may_end.set()
        thread.join()
        assert len(engine.store.backups()) == 1


def test_a_store_in_memory_has_no_backups() -> None:
    store = open_store("duckdb:///:memory:")
    with pytest.raises(Conflict, match="has no backups"):
        store.back_up(1)
    assert store.backups() == []
    store.close()


def test_a_backup_without_disk_space_is_refused_and_the_store_stays_usable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "RESERVE", 2**60)
    with running_on(path) as engine:
        fill(engine)
        with pytest.raises(StoreUnavailable, match=r"needs more disk space: .* Free some space"):
            back_up(engine)
        engine.ingest(AOI, *scenes(100, 1))
        assert list(backup_folder(path).iterdir()) == []


def test_a_failed_backup_is_deleted_and_the_store_stays_usable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "check_integrity", lambda _: ["several live jobs of an item: (1,)"])
    with running_on(path) as engine:
        fill(engine)
        with pytest.raises(StoreUnavailable, match="is inconsistent, so it was deleted: several live jobs"):
            back_up(engine)
        assert list(backup_folder(path).iterdir()) == []
        engine.ingest(AOI, *scenes(100, 1))
        monkeypatch.undo()
        back_up(engine)


def test_queries_cannot_access_other_files(path: Path, tmp_path: Path) -> None:
    with running_on(path) as engine, engine.store.reader._source._open_cursor() as cursor:  # type: ignore[attr-defined]
        for statement in (f"ATTACH '{tmp_path}/other.duckdb' AS other", f"COPY (SELECT 1) TO '{tmp_path}/out.csv'"):
            with pytest.raises(duckdb.PermissionException):
                cursor.execute(statement)
        with pytest.raises(duckdb.Error, match="locked"):
            cursor.execute("SET enable_external_access = true")


# ---- restore


def test_a_restore_replaces_the_store_and_keeps_its_files_aside(backed_up: Path) -> None:
    before = {name: text for name, text in contents(backed_up.parent).items() if name.startswith(backed_up.name)}
    result = restore(backed_up)
    assert (result.aois, result.scenes, result.tiles) == (1, 20, 20)
    assert result.backup == Path(list_backups(backed_up)[0].file)
    assert result.aside is not None
    assert contents(result.aside) == before
    with running_on(backed_up) as engine:
        assert names(engine) == [scene.name for scene in scenes(0, 20)]
        assert found_wrong(engine) == []
    with running_on(result.aside / backed_up.name) as engine:
        assert len(names(engine)) == 30


def test_ids_assigned_after_the_backup_are_not_reused(backed_up: Path) -> None:
    with running_on(backed_up) as engine:
        lost = engine.events()[-1].seq
    restore(backed_up)
    with running_on(backed_up) as engine:
        assert engine.ingest(AOI, *scenes(100, 1)) == [20 + GAP + 1]
        assert engine.events()[-1].seq > lost + GAP / 2
        jobs = engine.do(LeaseJobs("downloader", 100, 60, "worker"))
        assert len(jobs) == 21


def test_the_replaced_file_is_refused_in_place_of_the_restored_one(backed_up: Path) -> None:
    result = restore(backed_up)
    assert result.aside is not None
    shutil.copy2(result.aside / backed_up.name, backed_up)
    with pytest.raises(StoreUnavailable, match="acknowledged transactions are missing"):
        open_store(f"duckdb:///{backed_up}")


def test_the_error_of_a_damaged_store_names_the_restore_command(backed_up: Path) -> None:
    backed_up.write_bytes(b"garbage" * 1000)
    with pytest.raises(
        StoreUnavailable, match=r"restore the last backup, of 20\d\d-.* UTC: workflow-monitor restore '"
    ):
        open_store(f"duckdb:///{backed_up}")
    assert restored(backed_up) == [scene.name for scene in scenes(0, 20)]


def test_an_incomplete_store_can_be_restored_as_is(path: Path, tmp_path: Path) -> None:
    with running_on(path) as engine:
        fill(engine)
    with running_on(path) as engine:
        engine.ingest(AOI, *scenes(20, 1))
        killed = image(path, tmp_path / "killed")
    beside(killed, ".wal").unlink()
    with pytest.raises(StoreUnavailable, match="--as-is"):
        open_store(f"duckdb:///{killed}")
    assert restored(killed, as_is=True) == [scene.name for scene in scenes(0, 20)]


def test_a_killed_store_can_be_restored_from(path: Path, tmp_path: Path) -> None:
    """A copy of the file of a killed store is a valid backup if its log is beside it."""
    with running_on(path) as engine:
        fill(engine)
        killed = image(path, tmp_path / "killed")
    new = tmp_path / "new" / "workflow.duckdb"
    result = restore(new, killed)
    assert result.aside is None
    with running_on(new) as engine:
        assert len(names(engine)) == 20


def test_a_restore_waits_for_a_short_lock(backed_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = acquire_lock(backed_up)
    refusals = []

    def release_after_refusal(store: Path) -> OwnerLock:
        try:
            return acquire_lock(store)
        except StoreInUse as error:
            refusals.append(error)
            lock.release()
            raise

    monkeypatch.setattr(restore_module, "acquire_lock", release_after_refusal)
    assert restored(backed_up) == [scene.name for scene in scenes(0, 20)]
    assert len(refusals) == 1


def test_an_open_store_is_not_restored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_module, "LOCK_WAIT_SECONDS", 0.1)
    with held(path) as owner:
        assert f"belongs to another running server (process {owner.pid}" in refusal(path)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "missing", "job missing", "other program"])
def test_a_damaged_backup_changes_nothing(backed_up: Path, tmp_path: Path, damage: str) -> None:
    backup = Path(list_backups(backed_up)[0].file)
    if damage == "garbage":
        backup.write_bytes(b"garbage" * 1000)
    elif damage == "truncated":
        backup.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    elif damage == "missing":
        backup = tmp_path / "nowhere"
    else:
        with duckdb.connect(str(backup)) as connection:
            connection.execute(
                "DROP TABLE schema_version" if damage == "other program" else "DELETE FROM job WHERE item = 2"
            )
    detail = refusal(backed_up, backup=backup)
    assert str(backup) in detail
    with running_on(backed_up) as engine:
        assert len(names(engine)) == 30


def test_the_error_without_backups_names_their_folder(path: Path) -> None:
    with running_on(path) as engine:
        fill(engine)
    assert f"There is no backup in {backup_folder(path)}" in refusal(path)


def state_of(path: Path) -> str:
    try:
        with running_on(path) as engine:
            return {30: "all", 20: "backup"}.get(len(names(engine)), "something else")
    except StoreUnavailable as error:
        return error.detail


@pytest.mark.parametrize("step", range(8))
def test_a_restore_killed_at_any_step_can_be_repeated(
    backed_up: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unfinished restore leaves the old store, the restored store, or a store that asks for a restore."""

    class Killed(BaseException):
        pass

    left = step

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return function(*arguments)

        return called

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", counted(Path.replace))
        patched.setattr(shutil, "copy2", counted(shutil.copy2))
        patched.setattr(os, "fsync", counted(os.fsync))
        with pytest.raises(Killed):
            restore(backed_up)
    state = state_of(backed_up)
    assert state in {"all", "backup"} or "workflow-monitor restore" in state, state
    assert restored(backed_up) == [scene.name for scene in scenes(0, 20)]


# ---- under load


@pytest.mark.torture
@pytest.mark.timeout(effort(300, 7_200))
def test_backups_during_writes_are_consistent(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Each backup contains the transactions acknowledged before it, none in part, and can be restored."""
    path = tmp_path / "workflow.duckdb"
    number, sizes = 0, []
    with running_on(path, checkpoint_bytes=100_000) as engine:
        engine.do(CreateAOI(AOI))
        stop = threading.Event()
        acknowledged = [0]

        def write() -> None:
            while not stop.is_set():
                engine.ingest(AOI, *scenes(acknowledged[0], 5))
                acknowledged[0] += 5
                engine.do(CreateAOI(f"A {acknowledged[0]}"))
                engine.do(DeleteAOI(f"A {acknowledged[0]}"))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(ROUNDS):
                before = acknowledged[0]
                backup = back_up(engine)
                after = acknowledged[0] + 5
                new = tmp_path / f"restored-{number}.duckdb"
                result = restore(new, backup)
                assert before <= result.scenes <= after
                with running_on(new) as restored_engine:
                    assert names(restored_engine) == [scene.name for scene in scenes(0, result.scenes)]
                    assert found_wrong(restored_engine) == []
                sizes.append(result.scenes)
        finally:
            stop.set()
            writer.join()
        assert names(engine) == [scene.name for scene in scenes(0, acknowledged[0])]
        assert found_wrong(engine) == []
    record_property("backups", number + 1)
    record_property("scenes in the last", sizes[-1])


def test_a_backup_keeps_the_lock_of_the_store(path: Path) -> None:
    with running_on(path) as engine:
        fill(engine)
        back_up(engine)
        detail = answer("open", path)
        assert detail is not None
        assert "another running server" in detail

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.disk_harness import AOI, NOBODY, answer, names, running_on, scenes, start
from tests.invariants import unsound_in
from workflow_monitor.domain.commands import CreateAOI, DeleteAOI, PruneHistory
from workflow_monitor.domain.errors import StoreInUse, StoreUnavailable
from workflow_monitor.store import open_store
from workflow_monitor.store.duckdb import DuckDBStore, wal
from workflow_monitor.store.duckdb import files as store_files
from workflow_monitor.testing.engine_harness import START


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "workflow.duckdb"


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Keep the store open in another process."""
    with start("hold", path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == '"ready"\n'
            yield process
        finally:
            process.stdin.close()
            process.wait(30)


def fill(path: Path, number: int = 20) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        engine.ingest(AOI, *scenes(0, number))


def refusal(path: Path | str) -> str:
    """Return the reason why the store cannot be opened."""
    with pytest.raises(StoreUnavailable) as error:
        open_store(f"duckdb:///{path}").close()
    assert str(path) in error.value.detail
    assert "\n" not in error.value.detail
    return error.value.detail


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# ---- location


def test_a_reopened_store_has_all_scenes(path: Path) -> None:
    fill(path)
    for _ in range(2):
        with running_on(path) as engine:
            assert names(engine) == [scene.name for scene in scenes(0, 20)]
    assert mode(path.with_name(path.name + ".lock")) == 0o600


def test_three_slashes_and_four_mean_the_same_file(path: Path) -> None:
    fill(path)
    with pytest.raises(StoreUnavailable), running_on(path):
        open_store(f"duckdb:///{str(path).lstrip('/')}")
    third = DuckDBStore(f"duckdb:///{str(path).lstrip('/')}")
    assert third.path == str(path)
    third.close()


@pytest.mark.parametrize("url", ["duckdb:", "duckdb:///", "duckdb://host/path", "duckdb:path"])
def test_the_error_of_an_invalid_url_names_the_format(url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"expected duckdb:///absolute/path"):
        open_store(url)


def test_the_error_of_an_unknown_store_lists_the_installed_ones() -> None:
    with pytest.raises(StoreUnavailable, match=r"No store is installed for oracle: .*Installed: .*duckdb"):
        open_store("oracle://somewhere")


def test_a_store_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, another = open_store("duckdb:///:memory:"), open_store("duckdb:///:memory:")
    with one.writer.transaction():
        one.writer.create_aoi(1, AOI, START)
    assert [(aoi.id, aoi.name) for aoi in one.reader.aois()] == [(1, AOI)]
    assert another.reader.aois() == []
    one.close()
    another.close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_created_with_private_permissions(path: Path) -> None:
    fill(path)
    assert mode(path.parent) == 0o700


def test_the_files_in_a_public_folder_are_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        with running_on(tmp_path / "workflow.duckdb", checkpoint_bytes=2_000) as engine:
            engine.do(CreateAOI(AOI))
            for number in range(0, 60, 10):
                engine.ingest(AOI, *scenes(number, 10))
                modes = {file.name: mode(file) for file in tmp_path.iterdir()}
                assert set(modes.values()) == {0o600}, modes
            assert {"workflow.duckdb", "workflow.duckdb.wal"} < modes.keys()
    finally:
        os.umask(before)


# ---- lock


def test_the_error_of_a_second_process_names_the_owner(path: Path) -> None:
    with held(path) as owner:
        detail = refusal(path)
    assert f"belongs to another running server (process {owner.pid} on {os.uname().nodename})" in detail
    assert "use that server, or give this one a store of its own" in detail


def test_a_second_store_in_the_same_process_is_refused(path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        assert f"process {os.getpid()}" in refusal(path)
        engine.ingest(AOI, *scenes(0, 1))
    assert names_in(path) == [scene.name for scene in scenes(0, 1)]


def test_the_lock_file_has_the_contact_of_the_present_owner(path: Path) -> None:
    lock = path.with_name(f"{path.name}.lock")

    def contact_of_owner() -> str:
        with pytest.raises(StoreInUse) as error:
            DuckDBStore(f"duckdb:///{path}")
        return error.value.contact

    path.parent.mkdir()
    lock.touch(0o644)
    for contact in ("here", ""):
        first = DuckDBStore(f"duckdb:///{path}")
        try:
            assert contact_of_owner() == ""
            first.announce("for a long while here")
            assert mode(lock) == 0o600
            first.announce(contact)
            assert contact_of_owner() == contact
            document = lock.read_text()
            lock.write_text(document.replace(os.uname().nodename, "elsewhere"))
            assert contact_of_owner() == ""
            lock.write_text("{")
            assert contact_of_owner() == ""
            lock.write_text(document.replace('""', '"left over"'))
        finally:
            first.close()


def names_in(path: Path) -> list[str]:
    with running_on(path) as engine:
        return names(engine)


def test_closing_the_file_in_the_same_process_keeps_the_lock(path: Path) -> None:
    fill(path, 1)
    with running_on(path) as engine:
        path.open("rb").close()  # releases the POSIX lock of DuckDB
        detail = answer("open", path)
        assert detail is not None
        assert f"another running server (process {os.getpid()}" in detail
        engine.ingest(AOI, *scenes(100, 1))
    assert len(names_in(path)) == 2


def test_a_symbolic_link_does_not_bypass_the_lock(path: Path) -> None:
    fill(path, 1)
    link = path.with_name("link.duckdb")
    link.symlink_to(path)
    with running_on(path) as engine:
        path.open("rb").close()
        assert answer("open", link) == refusal(path)
        assert len(names(engine)) == 1


def test_the_lock_of_a_killed_process_is_released(path: Path) -> None:
    with held(path) as owner:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait(30)
        with running_on(path) as engine:
            assert [(aoi.id, aoi.name) for aoi in engine.store.reader.aois()] == [(1, AOI)]
            engine.ingest(AOI, *scenes(0, 1))


def test_a_failed_open_releases_the_lock(path: Path) -> None:
    fill(path)
    good = path.read_bytes()
    path.write_bytes(b"garbage" * 10_000)
    refusal(path)
    path.write_bytes(good)
    assert answer("open", path) is None


# ---- damaged files


def overwritten(at: int, new: bytes) -> Callable[[bytes], bytes]:
    return lambda old: old[:at] + new + old[at + len(new) :]


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda old: old[:at] + bytes([old[at] ^ 4]) + old[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda _: b"no DuckDB file\n" * 15_000,
    "text": lambda _: b"{}",
    "empty": lambda _: b"",
    "sqlite": lambda _: b"SQLite format 3\0" + bytes(4080),
    "cut in its header": lambda old: old[:5_000],
    "cut in its data": lambda old: old[: len(old) // 2],
    "zeros": lambda old: bytes(len(old)),
    "a bit of its checksum": flipped(0),
    "a bit of its magic": flipped(8),
    "a bit of its main header": flipped(100),
    "a bit of both database headers": lambda old: flipped(4096 + 20)(flipped(8192 + 20)(old)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_unchanged(path: Path, damage: str) -> None:
    fill(path)
    broken = DAMAGE[damage](path.read_bytes())
    path.write_bytes(broken)
    detail = refusal(path)
    assert "damaged or no DuckDB file. It was left as it is." in detail
    assert f"restore one from another place: workflow-monitor restore {path} --backup FILE" in detail
    assert path.read_bytes() == broken


def test_a_damaged_block_is_reported_when_read(path: Path) -> None:
    fill(path, 2_000)
    broken = bytearray(path.read_bytes())
    for at in range(3 * 4096 + 1_000, len(broken), 2**18):
        broken[at] ^= 4
    path.write_bytes(bytes(broken))
    with pytest.raises(StoreUnavailable) as error, running_on(path) as engine:
        names(engine)
    assert "damaged" in error.value.detail
    assert f"workflow-monitor restore {path}" in error.value.detail


def test_a_damaged_log_is_refused_unchanged(path: Path) -> None:
    log = path.with_name(path.name + ".wal")
    with held(path) as owner:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait(30)
    broken = flipped(log.stat().st_size // 2)(log.read_bytes())
    log.write_bytes(broken)
    assert "The file, or the log beside it, is damaged" in refusal(path)
    assert log.read_bytes() == broken


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workflow.duckdb").mkdir()
    assert "It is a folder: choose a file by store_url." in refusal(tmp_path / "workflow.duckdb")


def test_a_duckdb_file_of_another_program_is_refused_unchanged(path: Path) -> None:
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE harvest (year INTEGER)")
    before = hashlib.sha256(path.read_bytes()).digest()
    detail = refusal(path)
    assert "a DuckDB file of another program (with the table 'harvest')" in detail
    assert "choose another file by store_url" in detail
    assert hashlib.sha256(path.read_bytes()).digest() == before


# ---- versions


def newest_version() -> int:
    folder = files("workflow_monitor.store.duckdb").joinpath("migrations")
    return max(int(file.name.split("_")[0]) for file in folder.iterdir() if file.name.endswith(".sql"))


def test_a_file_of_a_newer_version_is_refused_with_both_versions(path: Path) -> None:
    fill(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO schema_version VALUES (77)")
    before = path.read_bytes()
    detail = refusal(path)
    assert "has version 77, which a newer workflow-monitor wrote" in detail
    assert f"supports versions up to {newest_version()}. Upgrade workflow-monitor" in detail
    assert path.read_bytes() == before


def test_the_error_of_a_file_of_a_newer_duckdb_names_the_upgrade(path: Path) -> None:
    fill(path)
    header = bytearray(path.read_bytes()[:4096])
    header[12:20] = (9999).to_bytes(8, "little")
    header[:8] = block_checksum(bytes(header[8:])).to_bytes(8, "little")
    path.write_bytes(bytes(header) + path.read_bytes()[4096:])
    assert "A newer DuckDB wrote it: upgrade the package duckdb." in refusal(path)


def block_checksum(block: bytes) -> int:
    """Return the checksum of a block of a DuckDB file; the length is a multiple of 8."""
    result = 5381
    for at in range(0, len(block), 8):
        word = int.from_bytes(block[at : at + 8], "little")
        result ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return result


@pytest.mark.parametrize("prepared", ["", "CREATE TABLE schema_version (version BIGINT NOT NULL)"])
def test_an_empty_duckdb_file_is_migrated(path: Path, prepared: str) -> None:
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute(prepared or "SELECT 1")
    fill(path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [(newest_version(),)]


def test_a_migration_from_version_1_does_not_reuse_ids(path: Path) -> None:
    fill(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM schema_version WHERE version > 1; DROP TABLE used_numbers; DROP TABLE progress")
        connection.execute("DELETE FROM tile; DELETE FROM scene; DELETE FROM job")
        connection.execute("ALTER TABLE scene DROP geometry_note; ALTER TABLE tile DROP geometry_note")
    path.with_name(path.name + ".mark").unlink()
    with running_on(path) as engine:
        assert engine.ingest(AOI, *scenes(0, 1)) == [21]


def with_keys(path: Path) -> duckdb.DuckDBPyConnection:
    """Copy a store to a file of version 3, with keys in the tables of scenes and tiles."""
    old = path.with_name("old.duckdb")
    connection = duckdb.connect(str(old))
    for number in (1, 2, 3):
        connection.execute(step(number))
    connection.execute("CREATE TABLE schema_version AS SELECT 3::BIGINT AS version")
    connection.execute("DELETE FROM used_numbers; DELETE FROM progress")
    connection.execute(f"ATTACH '{path}' AS filled (READ_ONLY)")
    for table in ("aoi", "workload", "job", "event", "used_numbers", "progress"):
        connection.execute(f"INSERT INTO {table} FROM filled.{table}")
    connection.execute("INSERT INTO scene SELECT * EXCLUDE (geometry_note) FROM filled.scene")
    connection.execute("INSERT INTO tile SELECT * EXCLUDE (geometry_note) FROM filled.tile")
    connection.execute("DETACH filled; CHECKPOINT")
    return connection


def step(number: int) -> str:
    folder = files("workflow_monitor.store.duckdb").joinpath("migrations")
    (file,) = [file for file in folder.iterdir() if file.name.startswith(f"{number:04}")]
    return file.read_text("utf-8")


@pytest.mark.parametrize("ended", ["well", "before the step", "after the step"])
def test_the_migration_without_keys_keeps_all_scenes_and_tiles(path: Path, ended: str) -> None:
    fill(path)
    with running_on(path) as engine:
        expected = engine.snapshot()
    with with_keys(path) as connection:
        if ended != "well":
            connection.execute("BEGIN TRANSACTION")
            connection.execute(step(4))
            connection.execute("INSERT INTO schema_version VALUES (4)")
        if ended == "after the step":
            connection.execute("COMMIT")
        # the files of a process that is killed now
        for file in path.parent.glob("old.duckdb*"):
            shutil.copy(file, path.with_name(file.name.replace("old", "workflow")))
    with running_on(path) as engine:
        assert engine.snapshot() == expected
        assert unsound_in(engine) == []
        engine.ingest(AOI, *scenes(20, 3))
    with duckdb.connect(str(path)) as connection:
        keys = connection.execute("SELECT table_name FROM duckdb_constraints() WHERE constraint_type LIKE '%E%Y'")
        assert {table for (table,) in keys.fetchall()} == {"aoi"}


def test_ids_of_deleted_and_pruned_rows_are_not_reused(path: Path) -> None:
    fill(path)
    with running_on(path) as engine:
        last = engine.events()[-1].seq
        engine.do(DeleteAOI(AOI))
        engine.clock.seconds += 10
        engine.do(PruneHistory(0, 0))
        assert engine.events() == []
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        assert engine.ingest(AOI, *scenes(0, 1)) == [21]
        assert min(event.seq for event in engine.events()) > last


def test_a_reopen_changes_no_table(path: Path) -> None:
    fill(path)

    def tables() -> Any:
        with duckdb.connect(str(path)) as connection:
            return connection.execute("SELECT sql FROM duckdb_tables() ORDER BY table_name").fetchall(), [
                connection.execute("SELECT count(*), max(version) FROM schema_version").fetchall()
            ]

    before = tables()
    for _ in range(3):
        answer("open", path)
    assert tables() == before


# ---- permissions


@contextmanager
def unprivileged_folder() -> Iterator[Path]:
    """A folder that belongs to the user of `open_as_nobody`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        try:
            yield folder
        finally:
            folder.chmod(0o755)


def test_a_read_only_folder_is_reported() -> None:
    with unprivileged_folder() as folder:
        folder.chmod(0o555)
        detail = answer("open_as_nobody", folder / "workflow.duckdb")
        assert f"Permission denied. Make the folder {folder} writable, or choose another file by store_url" in detail
        detail = answer("open_as_nobody", folder / "below" / "workflow.duckdb")
        assert f"Permission denied. Make the folder {folder / 'below'} writable" in detail


def test_a_read_only_file_is_reported() -> None:
    with unprivileged_folder() as folder:
        path = folder / "workflow.duckdb"
        assert answer("open_as_nobody", path) is None
        before = path.read_bytes()
        path.chmod(0o400)
        detail = answer("open_as_nobody", path)
        assert "Permission denied" in detail
        assert "Make the file writable, or choose another one by store_url." in detail
        assert path.read_bytes() == before


# ---- full disk


def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        try:
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                return False
        except OSError:
            return False
        subprocess.run(["umount", folder], capture_output=True, check=True)
        return True


#: a limit of the file size needs no privileges; root can mount a small file system as well
KINDS_OF_FULL = ["file size limit", *(["small file system"] if os.geteuid() == 0 and _can_mount() else [])]


@pytest.fixture(params=KINDS_OF_FULL)
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder and the size limit of its files in bytes; 0 on a small file system."""
    if request.param == KINDS_OF_FULL[0]:
        yield tmp_path, 500_000
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)], capture_output=True, check=True)
    try:
        yield tmp_path, 0
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], capture_output=True, check=True)


def test_a_full_disk_refuses_writes_until_space_is_freed(
    full: tuple[Path, int],
) -> None:
    folder, limit = full
    outcome = answer("fill", folder / "workflow.duckdb", limit, 16 * 2**20)
    assert "The disk is full: free some space. Nothing of this request was stored." in outcome.pop("refused")
    assert not outcome.pop("needs_reopen")
    assert outcome == dict.fromkeys(
        ["when full", "after freeing space", "after a restart", "at the end"], "all acknowledged scenes"
    )


def test_a_failed_checkpoint_loses_no_data(path: Path) -> None:
    path.parent.mkdir()
    outcome = answer("fill", path, 400_000, 100_000)
    assert "The disk is full: free some space. Nothing of this request was stored." in outcome["refused"]
    assert outcome["needs_reopen"]
    assert "The disk is full: free some space. It could not be read." in outcome["when full"]
    assert outcome["after a restart"] == outcome["at the end"] == "all acknowledged scenes"


def test_no_checkpoint_runs_on_a_nearly_full_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wal, "RESERVE", 2**60)
    with running_on(path, checkpoint_bytes=2_000) as engine:
        engine.do(CreateAOI(AOI))
        for number in range(0, 60, 10):
            engine.ingest(AOI, *scenes(number, 10))
        assert path.with_name(path.name + ".wal").stat().st_size > 20_000
    warnings = [record.message for record in caplog.records if "disk_nearly_full" in record.message]
    assert len(warnings) == 1
    assert "free_mb=" in warnings[0]


def test_a_checkpoint_runs_when_the_log_has_grown(path: Path) -> None:
    with running_on(path, checkpoint_bytes=20_000) as engine:
        engine.do(CreateAOI(AOI))
        for number in range(0, 200, 10):
            engine.ingest(AOI, *scenes(number, 10))
            assert path.with_name(path.name + ".wal").stat().st_size < 60_000
        assert len(names(engine)) == 200


def test_a_close_runs_a_checkpoint(path: Path) -> None:
    fill(path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    assert len(names_in(path)) == 20


def test_a_failed_creation_on_a_full_disk_leaves_no_files(path: Path) -> None:
    path.parent.mkdir()
    for limit in (1_000, 20_000, 100_000):
        detail = answer("open_without_room", path, limit)
        assert "cannot be opened" in detail
        assert "The disk is full: free some space, or choose another file by store_url." in detail
        assert {file.name for file in path.parent.iterdir()} <= {"workflow.duckdb.lock"}
    fill(path)


def test_readers_of_a_closed_store_raise(path: Path) -> None:
    fill(path)
    with running_on(path) as engine:
        reader = engine.store.reader
    with pytest.raises(StoreUnavailable, match="has been closed"):
        reader.event_bounds()


# ---- file system

MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
fs.example.org:/home /home nfs4 rw 0 0
/dev/vdb1 /home/local ext4 rw 0 0
//server/share /mnt/our\\040share cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/", "ext4"),
        ("/srv/workflow", "ext4"),
        ("/home/me/.local/share", "nfs4"),
        ("/homes", "ext4"),
        ("/home/local/me", "ext4"),
        ("/mnt/our share/state", "cifs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount(folder: str, expected: str) -> None:
    assert store_files._file_system(Path(folder), MOUNTS) == expected


@pytest.mark.parametrize(("system", "warns"), [("nfs4", True), ("cifs", True), ("ext4", False), ("", False)])
def test_a_network_file_system_logs_a_warning(
    path: Path, system: str, warns: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_files, "_file_system", lambda _: system)
    with caplog.at_level(logging.WARNING):
        fill(path, 1)
    warnings = [json.dumps(record.message) for record in caplog.records if "network file system" in record.message]
    assert len(warnings) == warns
    assert all(str(path) in text and "set store_url to a file on a local disk" in text for text in warnings)

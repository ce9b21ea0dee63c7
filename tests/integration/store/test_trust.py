"""A store uses only the lock files, marks, logs and backups that no other user can have written."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.disk_harness import AOI, names, running_on, scenes
from tests.integration.store.test_high_water_mark import image
from tests.other_users import make_foreign
from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.domain.errors import StoreInUse, StoreUnavailable
from workflow_monitor.store.duckdb import DuckDBStore
from workflow_monitor.store.duckdb.backups import backup_folder, list_backups
from workflow_monitor.store.duckdb.restore import restore

CONTACT = json.dumps({"url": "http://127.0.0.1:9/", "key": "forged"})
OWNER = json.dumps({"pid": 1, "host": socket.gethostname(), "contact": CONTACT})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workflow.duckdb"


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def fill(path: Path, number: int = 3) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        engine.ingest(AOI, *scenes(0, number))


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the lock of a file, as the owner of a store does."""
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def in_use(path: Path) -> StoreInUse:
    with locked(beside(path, ".lock")), pytest.raises(StoreInUse) as error:
        DuckDBStore(f"duckdb:///{path}")
    return error.value


# ---- the lock file


def test_the_contact_of_a_trusted_lock_file_is_used(path: Path) -> None:
    beside(path, ".lock").write_text(OWNER)
    error = in_use(path)
    assert (error.contact, "not trusted" in error.detail) == (CONTACT, False)


def test_the_contact_of_a_foreign_lock_file_is_not_used(path: Path) -> None:
    lock = beside(path, ".lock")
    lock.write_text(OWNER)
    reason = make_foreign(lock)
    error = in_use(path)
    assert error.contact == ""
    assert f"its lock file {lock} is not trusted: {reason}" in error.detail
    assert "process 1" not in error.detail


def test_the_contact_in_a_folder_of_all_users_is_not_used(path: Path) -> None:
    beside(path, ".lock").write_text(OWNER)
    path.parent.chmod(0o777)
    error = in_use(path)
    assert error.contact == ""
    assert "of its folder, all users can write it (mode 777)" in error.detail
    path.parent.chmod(0o1777)
    assert in_use(path).contact == CONTACT


def test_no_address_is_written_into_a_foreign_lock_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = beside(path, ".lock")
    lock.write_text("{}")
    reason = make_foreign(lock)
    store = DuckDBStore(f"duckdb:///{path}")
    try:
        store.announce(CONTACT)
    finally:
        store.close()
    assert lock.read_text() == "{}"
    assert f"reason={reason}" in caplog.text
    assert "forged" not in caplog.text


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_lock_file_that_links_to_another_file_changes_nothing(path: Path, kind: str) -> None:
    other = path.parent / "other"
    other.write_text("kept")
    other.chmod(0o644)
    if kind == "symbolic":
        beside(path, ".lock").symlink_to(other)
        with pytest.raises(StoreUnavailable, match="is a symbolic link"):
            DuckDBStore(f"duckdb:///{path}")
    else:
        beside(path, ".lock").hardlink_to(other)
        store = DuckDBStore(f"duckdb:///{path}")
        store.announce(CONTACT)
        store.close()
    assert (other.read_text(), other.stat().st_mode & 0o777) == ("kept", 0o644)


# ---- the high-water mark and the log


def test_a_foreign_mark_does_not_count(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        killed = image(path, tmp_path / "killed")
    mark = beside(killed, ".mark")
    reason = make_foreign(mark)
    with pytest.raises(StoreUnavailable) as error:
        DuckDBStore(f"duckdb:///{killed}")
    assert "its high-water mark is missing" in error.value.detail
    assert f"{mark} is not trusted: {reason}" in error.value.detail
    assert f"high_water_mark_untrusted path={mark} reason={reason}" in caplog.text


def test_a_foreign_mark_does_not_lock_a_complete_store(path: Path) -> None:
    fill(path)
    mark = beside(path, ".mark")
    mark.write_text("forged")
    make_foreign(mark)
    with running_on(path) as engine:
        assert len(names(engine)) == 3
    assert mark.stat().st_uid == os.geteuid()
    assert mark.stat().st_mode & 0o777 == 0o600


def test_a_new_mark_is_not_written_through_a_link(path: Path) -> None:
    other = path.parent / "other"
    other.write_text("kept")
    beside(path, ".mark.new").symlink_to(other)
    fill(path)
    assert other.read_text() == "kept"


def test_the_log_of_another_user_is_not_replayed(path: Path, tmp_path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        killed = image(path, tmp_path / "killed")
    log = beside(killed, ".wal")
    content = log.read_bytes()
    reason = make_foreign(log)
    with pytest.raises(StoreUnavailable) as error:
        DuckDBStore(f"duckdb:///{killed}")
    assert f"another user may have written its log {log}: {reason}" in error.value.detail
    assert log.read_bytes() == content


# ---- backups


@pytest.fixture
def forged(path: Path) -> tuple[Path, str]:
    """A backup of another user beside a store of three scenes with a backup; it would be the newest."""
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        engine.ingest(AOI, *scenes(0, 3))
        own = Path(engine.store.back_up(7).file)
    backup = backup_folder(path) / "20990101T000000Z.duckdb"
    shutil.copy2(own, backup)
    return backup, make_foreign(backup)


def test_a_foreign_backup_is_not_restored(path: Path, forged: tuple[Path, str]) -> None:
    own = Path(list_backups(path)[0].file)
    assert restore(path).backup == own
    own.unlink()
    with pytest.raises(StoreUnavailable) as error:
        restore(path)
    assert f"{forged[0]} is not used, because another user may have written it: {forged[1]}" in error.value.detail
    assert restore(path, forged[0]).backup == forged[0]


def test_a_foreign_log_of_a_backup_is_not_replayed(path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        backup = Path(engine.store.back_up(7).file)
    log = backup.with_name(f"{backup.name}.wal")
    log.write_text("forged")
    make_foreign(log)
    assert list_backups(path) == []


def test_foreign_backups_do_not_displace_own_backups(path: Path, forged: tuple[Path, str]) -> None:
    with running_on(path) as engine:
        made = Path(engine.store.back_up(1).file)
    assert made.name < forged[0].name
    assert [backup.file for backup in list_backups(path)] == [str(made)]


def test_no_backup_is_made_in_a_folder_of_all_users(path: Path) -> None:
    backup_folder(path).mkdir()
    backup_folder(path).chmod(0o777)
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        with pytest.raises(StoreUnavailable, match=r"all users can write it \(mode 777\)"):
            engine.store.back_up(7)
    assert list(backup_folder(path).iterdir()) == []


def test_all_files_are_private_under_any_umask(path: Path) -> None:
    previous = os.umask(0)
    try:
        fill(path)
        with running_on(path) as engine:
            engine.store.back_up(7)
            restored = Path(engine.store.back_up(7).file)
            files = [file for file in path.parent.rglob("*") if file.is_file()]
            assert {file.name: file.stat().st_mode & 0o077 for file in files} == {file.name: 0 for file in files}
        aside = restore(path, restored).aside
    finally:
        os.umask(previous)
    assert aside is not None
    assert (path.stat().st_mode & 0o777, aside.stat().st_mode & 0o777) == (0o600, 0o700)

"""Backups of a store: location, creation during reads and writes, and the hint to restore one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from workflow_monitor.domain.errors import Conflict, StoreUnavailable
from workflow_monitor.domain.models import Backup
from workflow_monitor.store.duckdb.high_water_mark import sync_folder
from workflow_monitor.store.duckdb.integrity import check_integrity
from workflow_monitor.store.sql import statements
from workflow_monitor.trust import fault_of, fault_of_folder

_SQL = statements(("workflow_monitor.store.duckdb", "backups.sql"))
_NAME = re.compile(r"(\d{8}T\d{6}Z)\.duckdb")
_TIME = "%Y%m%dT%H%M%SZ"
#: free disk space to keep beside a backup, bytes
RESERVE = 32 * 2**20


def backup_folder(store: Path) -> Path:
    """Return the folder with the backups of a store."""
    return store.with_name(store.name + ".backups")


def made_at(backup: Path) -> datetime | None:
    """Parse the time of a backup from its file name; None for another file."""
    match = _NAME.fullmatch(backup.name)
    return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC) if match else None


def list_backups(store: Path) -> list[Backup]:
    """Return the trusted backups of a store, the newest first."""
    return _scan(store)[0]


def untrusted_backups_hint(store: Path) -> str:
    """Return a sentence for each backup that another user could have written; "" without any."""
    return "".join(
        f" {file} is not used, because another user may have written it: {why}." for file, why in _scan(store)[1]
    )


def _scan(store: Path) -> tuple[list[Backup], list[tuple[Path, str]]]:
    """Return the trusted backups, the newest first, and the others with the reason."""
    trusted: list[Backup] = []
    untrusted: list[tuple[Path, str]] = []
    folder = backup_folder(store)
    try:
        folder_fault = fault_of_folder(folder)
        files = sorted(folder.iterdir(), reverse=True)
    except OSError:
        return trusted, untrusted
    for file in files:
        made = made_at(file)
        if made is None:
            continue
        try:
            fault = folder_fault or next(
                filter(None, (fault_of(part) for part in _with_log(file) if part.exists())), ""
            )
            size = file.stat().st_size
        except OSError as error:
            fault = error.strerror or str(error)
        if fault:
            untrusted.append((file, fault))
        else:
            trusted.append(Backup(str(file), made, size))
    return trusted, untrusted


def restore_hint(store: Path) -> str:
    """Return the advice for an unusable store: the command that restores its last backup."""
    command = f"workflow-monitor restore {shlex.quote(str(store))}"
    for last in list_backups(store):
        return f"To keep it aside and restore the last backup, of {last.made:%Y-%m-%d %H:%M} UTC: {command}"
    return (
        f"There is no backup in {backup_folder(store)}.{untrusted_backups_hint(store)} To keep it aside and restore one "
        f"from another place: {command} --backup FILE; or choose another file by store_url."
    )


class Backups:
    """Creates the backups of a store, one at a time."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._folder = backup_folder(store)
        self._running = threading.Lock()

    def make(self, cursor: duckdb.DuckDBPyConnection, keep: int) -> Backup:
        """Create a backup through `cursor`, and prune old ones; raise Conflict if one is being made, OSError or duckdb.Error."""
        if not self._running.acquire(blocking=False):
            raise Conflict("A backup is being made; wait for it.")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._check_trust()
            self._check_free_space()
            new = self._folder / "unfinished"
            _remove(new)
            try:
                _copy(cursor, new)
            except BaseException:
                _remove(new)
                raise
            made = self._publish(new)
        finally:
            self._running.release()
        self._prune(keep)
        return made

    def _check_trust(self) -> None:
        if fault := fault_of_folder(self._folder):
            raise StoreUnavailable(
                f"A backup in {self._folder} would not be safe from other users, because of the folder {fault}. "
                "Correct its owner and its mode, or remove it."
            )

    def _check_free_space(self) -> None:
        needed = sum(file.stat().st_size for file in _with_log(self._store) if file.exists()) + RESERVE
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise StoreUnavailable(
                f"A backup in {self._folder} needs more disk space: {free // 2**20} MB are free, "
                f"{needed // 2**20} MB are needed. Free some space, or make the folder a link to another disk."
            )

    def _publish(self, new: Path) -> Backup:
        with new.open("rb") as file:
            os.fsync(file.fileno())
        made = datetime.now(UTC).replace(microsecond=0)
        for last in list_backups(self._store)[:1]:
            made = max(made, last.made + timedelta(seconds=1))
        backup = self._folder / f"{made.strftime(_TIME)}.duckdb"
        new.replace(backup)
        sync_folder(self._folder)
        return Backup(str(backup), made, backup.stat().st_size)

    def _prune(self, keep: int) -> None:
        for old in list_backups(self._store)[keep:]:
            with suppress(OSError):
                Path(old.file).unlink()


def _with_log(file: Path) -> tuple[Path, Path]:
    return file, file.with_name(file.name + ".wal")


def _remove(backup: Path) -> None:
    for file in _with_log(backup):
        file.unlink(missing_ok=True)


def _copy(cursor: duckdb.DuckDBPyConnection, new: Path) -> None:
    """Copy one committed state into a new file, and check the copy."""
    (statement,) = cursor.execute(_SQL["copy_statement"]).fetchall()[0]
    (database,) = cursor.execute(_SQL["use_statement"]).fetchall()[0]
    cursor.execute(_SQL["attach"], (str(new),))
    new.chmod(0o600)
    try:
        cursor.execute("BEGIN TRANSACTION")
        cursor.execute(statement)
        cursor.execute(_SQL["mark_complete"])
        cursor.execute("COMMIT")
        cursor.execute(_SQL["checkpoint"])
    finally:
        with suppress(duckdb.Error):
            cursor.execute("ROLLBACK")
        cursor.execute(_SQL["detach"])
    cursor.execute(_SQL["attach_to_read"], (str(new),))
    try:
        cursor.execute(_SQL["use"])
        violations = check_integrity(cursor)
    finally:
        cursor.execute(database)
        cursor.execute(_SQL["detach"])
    if violations:
        raise StoreUnavailable(f"The backup is inconsistent, so it was deleted: {violations[0]}")

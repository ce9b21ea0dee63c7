"""Restoring of a store from a backup; the old files move to a folder of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from workflow_monitor.domain.errors import StoreInUse, StoreUnavailable
from workflow_monitor.store.duckdb.backups import backup_folder, list_backups, untrusted_backups_hint
from workflow_monitor.store.duckdb.connection import first_line
from workflow_monitor.store.duckdb.files import acquire_lock, log_of
from workflow_monitor.store.duckdb.high_water_mark import HighWaterMark, Progress, sync_folder
from workflow_monitor.store.duckdb.integrity import check_integrity
from workflow_monitor.store.duckdb.lock import OwnerLock
from workflow_monitor.store.duckdb.schema import migrate
from workflow_monitor.store.sql import statements
from workflow_monitor.trust import UntrustedFile, create_private, fault_of_folder

_SQL = statements(("workflow_monitor.store.duckdb", "backups.sql"))
#: ids skipped after a restore, so that no new item gets the id of a lost one
GAP = 1_000_000
#: seconds to wait for a server that holds the lock only while it tries to open the store
LOCK_WAIT_SECONDS = 10.0
#: bytes per read of a copy
COPY_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Restored:
    """Contents of a restored store."""

    backup: Path
    aois: int
    scenes: int
    tiles: int
    #: time of the last event, UTC
    until: datetime | None
    #: folder with the old files; None if there were none
    aside: Path | None


def restore(store: Path, backup: Path | None = None, *, as_is: bool = False) -> Restored:
    """Replace a store that no server has open by a backup, by default the newest.

    `as_is` keeps the file of the store without its lost transactions. Raise StoreUnavailable, with the remedy and without
    changes, if the store is in use, or the backup is missing or inconsistent.
    """
    store = Path(os.path.realpath(store))
    lock = _acquire_lock(store)
    try:
        source = store if as_is else _choose_backup(store, backup)
        if not source.is_file():
            raise StoreUnavailable(f"There is no file {source}. {_backups_hint(store)}")
        with _working_copy(source, store) as new:
            contents = _validate_copy(source, new, store)
            aside = _swap(store, new)
    except (OSError, duckdb.Error) as error:
        raise StoreUnavailable(f"The store {store} cannot be restored: {first_line(error)}") from error
    finally:
        lock.release()
    aois, scenes, tiles, until = contents
    return Restored(source, aois, scenes, tiles, until and until.replace(tzinfo=UTC), aside)


def _acquire_lock(store: Path) -> OwnerLock:
    """Lock the store; wait for a server without an open store, which holds the lock only while it retries."""
    until = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return acquire_lock(store)
        except StoreInUse as error:
            if error.contact or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _choose_backup(store: Path, backup: Path | None) -> Path:
    if backup is not None:
        return backup
    for last in list_backups(store):
        return Path(last.file)
    raise StoreUnavailable(
        f"There is no backup in {backup_folder(store)}.{untrusted_backups_hint(store)} Name a file with --backup."
    )


@contextmanager
def _working_copy(source: Path, store: Path) -> Iterator[Path]:
    """Copy the source with its log beside the store; delete the copy at the end unless it replaced the store."""
    new = store.with_name(store.name + ".restoring")
    try:
        for old, copy in ((source, new), (log_of(source), log_of(new))):
            copy.unlink(missing_ok=True)
            if old.exists():
                with old.open("rb") as data, os.fdopen(create_private(copy), "wb") as target:
                    shutil.copyfileobj(data, target, COPY_BYTES)
        yield new
    finally:
        for copy in (new, log_of(new)):
            with suppress(OSError):
                copy.unlink(missing_ok=True)


def _validate_copy(source: Path, new: Path, store: Path) -> tuple[int, int, int, datetime | None]:
    """Check and migrate a copy, and skip ids; return counts of AOIs, scenes and tiles, and the time of the last event."""
    try:
        connection = duckdb.connect(str(new), config={"autoinstall_known_extensions": "false", "threads": "2"})
    except duckdb.Error as error:
        raise StoreUnavailable(
            f"{source} cannot be restored from: {first_line(error)} {_backups_hint(store)}"
        ) from error
    with connection:
        try:
            migrate(connection, str(source))
            violations = check_integrity(connection.cursor())
        except duckdb.Error as error:
            violations = [first_line(error)]
        if violations:
            raise StoreUnavailable(f"{source} is inconsistent: {violations[0]} {_backups_hint(store)}")
        contents: tuple[int, int, int, datetime | None] = connection.execute(_SQL["contents"]).fetchall()[0]
        _, transactions, _ = connection.execute(_SQL["progress"]).fetchall()[0]
        connection.execute(_SQL["skip_ids"], (GAP,))
        connection.execute(
            _SQL["set_restored_progress"], (max(transactions, _marked_transactions(store)) + 1, secrets.randbits(63))
        )
        connection.execute("CHECKPOINT")
    return contents


def _marked_transactions(store: Path) -> int:
    """Return the transaction count of the mark, 0 without a readable mark."""
    try:
        mark = HighWaterMark(store).read()
    except StoreUnavailable:
        return 0
    return mark.transactions if mark else 0


def _backups_hint(store: Path) -> str:
    files = [backup.file for backup in list_backups(store)]
    return f"Nothing was changed. Backups: {', '.join(files) or 'none'}."


def _swap(store: Path, new: Path) -> Path | None:
    """Replace the store and keep the old files; a crash at any point leaves a store that no server opens."""
    with duckdb.connect(str(new), read_only=True) as connection:
        progress = Progress(*connection.execute(_SQL["progress"]).fetchall()[0])
    with new.open("rb") as file:
        os.fsync(file.fileno())
    mark = HighWaterMark(store)
    old = [file for file in (store, log_of(store)) if file.exists()]
    aside = _make_aside_folder(store) if old or mark.path.exists() else None
    if aside is not None and mark.path.exists():
        shutil.copy2(mark.path, aside)
    # this mark is ahead of any old file, so a server refuses those until the new file is in place
    mark.create(progress)
    mark.close()
    if aside is not None:
        for moved in old:
            moved.replace(aside / moved.name)
    new.replace(store)
    sync_folder(store.parent)
    return aside


def _make_aside_folder(store: Path) -> Path:
    """Create a folder for the old files."""
    parent = store.with_name(store.name + ".aside")
    parent.mkdir(mode=0o700, exist_ok=True)
    if fault := fault_of_folder(parent):
        raise UntrustedFile(parent, f"{parent} is not safe from other users: {fault}; correct it or remove it")
    now = datetime.now(UTC)
    for number in range(1000):
        folder = parent / f"{now:%Y%m%dT%H%M%SZ}{f'-{number}' if number else ''}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(f"{parent} has 1000 folders of this second; remove some of them")

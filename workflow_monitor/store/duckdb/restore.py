"""Getting a store back from a backup; what was in its place is kept aside."""

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
from workflow_monitor.store.duckdb.backups import backup_folder, list_backups
from workflow_monitor.store.duckdb.connection import first_line
from workflow_monitor.store.duckdb.files import acquire_lock, log_of
from workflow_monitor.store.duckdb.high_water_mark import HighWaterMark, Progress, sync_folder
from workflow_monitor.store.duckdb.integrity import check_integrity
from workflow_monitor.store.duckdb.lock import OwnerLock
from workflow_monitor.store.duckdb.schema import migrate
from workflow_monitor.store.sql import statements

_SQL = statements(("workflow_monitor.store.duckdb", "backups.sql"))
#: so many numbers are left out, that what is lost may have had
GAP = 1_000_000
#: seconds in which a server that only tries to open the store lets go of it
LOCK_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restored store holds."""

    backup: Path
    aois: int
    scenes: int
    tiles: int
    #: when the last thing happened that it knows of, UTC
    until: datetime | None
    #: the folder with what was there before; None if nothing was
    aside: Path | None


def restore(store: Path, backup: Path | None = None, *, as_is: bool = False) -> Restored:
    """Put a backup, by default the last, in the place of a store that no server has open.

    `as_is` takes what the file of the store itself holds, without what was acknowledged and is lost. StoreUnavailable,
    with what to do, and nothing changed, if the store is in use, or the backup is not there or does not hang together.
    """
    store = Path(os.path.realpath(store))
    lock = _acquire_lock(store)
    try:
        source = store if as_is else _choose_backup(store, backup)
        if not source.is_file():
            raise StoreUnavailable(f"There is no file {source}. {_backups_hint(store)}")
        with _working_copy(source, store) as new:
            found = _validate_copy(source, new, store)
            aside = _swap(store, new)
    except (OSError, duckdb.Error) as error:
        raise StoreUnavailable(f"The store {store} cannot be restored: {first_line(error)}") from error
    finally:
        lock.release()
    aois, scenes, tiles, until = found
    return Restored(source, aois, scenes, tiles, until and until.replace(tzinfo=UTC), aside)


def _acquire_lock(store: Path) -> OwnerLock:
    """The lock of a store. A server that waits for it to be restored tries to open it now and then, and has the lock meanwhile."""
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
    raise StoreUnavailable(f"There is no backup in {backup_folder(store)}; name one that is elsewhere by --backup.")


@contextmanager
def _working_copy(source: Path, store: Path) -> Iterator[Path]:
    """A copy of the source, with its log, beside the store; gone at the end unless it was put in its place."""
    new = store.with_name(store.name + ".restoring")
    try:
        for old, copy in ((source, new), (log_of(source), log_of(new))):
            copy.unlink(missing_ok=True)
            if old.exists():
                shutil.copyfile(old, copy)
                copy.chmod(0o600)
        yield new
    finally:
        for copy in (new, log_of(new)):
            with suppress(OSError):
                copy.unlink(missing_ok=True)


def _validate_copy(source: Path, new: Path, store: Path) -> tuple[int, int, int, datetime | None]:
    """Check a copy and have it go on where nobody has been."""
    try:
        connection = duckdb.connect(str(new), config={"autoinstall_known_extensions": "false", "threads": "2"})
    except duckdb.Error as error:
        raise StoreUnavailable(
            f"{source} cannot be restored from: {first_line(error)} {_backups_hint(store)}"
        ) from error
    with connection:
        try:
            migrate(connection, str(source))
            wrong = check_integrity(connection.cursor())
        except duckdb.Error as error:
            wrong = [first_line(error)]
        if wrong:
            raise StoreUnavailable(f"{source} does not hang together: {wrong[0]} {_backups_hint(store)}")
        found: tuple[int, int, int, datetime | None] = connection.execute(_SQL["contents"]).fetchall()[0]
        _, transactions, _ = connection.execute(_SQL["progress"]).fetchall()[0]
        connection.execute(_SQL["skip_ids"], (GAP,))
        connection.execute(
            _SQL["set_restored_progress"], (max(transactions, _marked_transactions(store)) + 1, secrets.randbits(63))
        )
        connection.execute("CHECKPOINT")
    return found


def _marked_transactions(store: Path) -> int:
    """How far the store had come, as its mark tells."""
    try:
        mark = HighWaterMark(store).read()
    except StoreUnavailable:
        return 0
    return mark.transactions if mark else 0


def _backups_hint(store: Path) -> str:
    files = [backup.file for backup in list_backups(store)]
    return f"Nothing was changed. There are these backups: {', '.join(files) or 'none'}."


def _swap(store: Path, new: Path) -> Path | None:
    """Put a file in the place of the store, and what is there aside; whenever this ends early, no server takes it."""
    with duckdb.connect(str(new), read_only=True) as connection:
        progress = Progress(*connection.execute(_SQL["progress"]).fetchall()[0])
    with new.open("rb") as file:
        os.fsync(file.fileno())
    mark = HighWaterMark(store)
    old = [file for file in (store, log_of(store)) if file.exists()]
    aside = _make_aside_folder(store) if old or mark.path.exists() else None
    if aside is not None and mark.path.exists():
        shutil.copy2(mark.path, aside)
    # it is ahead of all that may be found until the new file is there
    mark.create(progress)
    mark.close()
    if aside is not None:
        for moved in old:
            moved.replace(aside / moved.name)
    new.replace(store)
    sync_folder(store.parent)
    return aside


def _make_aside_folder(store: Path) -> Path:
    """A new folder for what was there."""
    parent = store.with_name(store.name + ".aside")
    parent.mkdir(mode=0o700, exist_ok=True)
    now = datetime.now(UTC)
    for number in range(1000):
        folder = parent / f"{now:%Y%m%dT%H%M%SZ}{f'-{number}' if number else ''}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(f"{parent} is full of what was put aside")

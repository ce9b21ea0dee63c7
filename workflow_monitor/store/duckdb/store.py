"""Opening and closing the DuckDB file."""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from workflow_monitor.domain.errors import Conflict, StoreUnavailable, shorten_for_message
from workflow_monitor.domain.models import Backup
from workflow_monitor.store.aoi_cache import AOICache
from workflow_monitor.store.duckdb.backups import Backups, folder_of, listed, restore_hint
from workflow_monitor.store.duckdb.connection import (
    FAILING_DISK,
    FATAL,
    Connection,
    first_line,
    is_failing,
    is_full,
    is_io_error,
    to_store_error,
)
from workflow_monitor.store.duckdb.high_water_mark import HighWaterMark, Progress, describe_loss
from workflow_monitor.store.duckdb.lock import OwnerLock
from workflow_monitor.store.duckdb.schema import migrate
from workflow_monitor.store.duckdb.session import STATEMENTS, DuckDBSource
from workflow_monitor.store.duckdb.wal import WriteAheadLog
from workflow_monitor.store.duckdb.writer import DuckDBWriter
from workflow_monitor.store.reader import SQLReader

log = logging.getLogger(__name__)

#: also what an in-memory store is called in messages
MEMORY = ":memory:"
#: a log of more bytes is written into the file
CHECKPOINT_BYTES = 16 * 2**20
#: of the mount table; their locks, and so their databases, cannot be relied on
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "afs", "ceph", "fuse.sshfs"})
#: how the mount table writes spaces, tabs, line ends and backslashes
_OCTAL = re.compile(r"\\([0-7]{3})")


class DuckDBStore:
    """A store in a file, `duckdb:///absolute/path`, or in memory, `duckdb:///:memory:`.

    Raises StoreUnavailable, with what to do, if the file cannot be had: another process owns it, it is no
    DuckDB file or a broken one, it is of a newer version, its folder cannot be written, the disk is full.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        memory_limit: str = "512MB",
        threads: int = 2,
        checkpoint_bytes: int = CHECKPOINT_BYTES,
    ) -> None:
        self.path = _path(url)
        if read_only:
            raise StoreUnavailable(
                f"The store {self.path} belongs to one server, which also writes it: look at it through that server, and "
                "leave read_only to a store that servers share."
            )
        self._lock: OwnerLock | None = None
        self._mark: HighWaterMark | None = None
        self._backups = None if self.path == MEMORY else Backups(Path(self.path))
        self._is_closed = False
        wal: WriteAheadLog | None = None
        try:
            if self.path != MEMORY:
                self._lock = acquire_lock(Path(self.path))
                self._mark = HighWaterMark(Path(self.path))
                wal = WriteAheadLog(Path(self.path), checkpoint_bytes)
            self._instance = self._open(memory_limit, threads)
            self._connection = Connection(self._instance.cursor(), self.path, wal)
            directory = AOICache()
            try:
                self.writer = DuckDBWriter(self._connection, directory, self._write_mark)
                directory.load(self.writer.aois())
                self._lock_down()
            except BaseException as error:
                self._instance.close()
                if isinstance(error, StoreUnavailable) and error.__cause__ is not None:
                    raise _cannot_open(self.path, error.__cause__) from error
                raise
        except BaseException:
            self._release()
            raise
        if wal is not None:
            wal.keep_private()
        self.reader = SQLReader(DuckDBSource(self._reading), directory)

    def _open(self, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
        """The instance, of a file that is made if it is not there; none is left if that fails."""
        mark = self._read_mark()
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": str(threads),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "storage_compatibility_version": "v1.5.0",
            # never by itself: see `wal.py`
            "checkpoint_threshold": "1TB",
        }
        is_new = self.path != MEMORY and not Path(self.path).exists()
        # before it has replayed a log, DuckDB counts only the blocks that have to be in the file
        is_settled = self.path != MEMORY and not _size(log_of(Path(self.path)))
        try:
            instance = duckdb.connect(self.path, config=settings)
            try:
                # what is refused is left as it is
                instance.execute("PRAGMA disable_checkpoint_on_shutdown")
                if is_new:
                    Path(self.path).chmod(0o600)
                if is_settled:
                    _check_whole(Path(self.path), instance)
                migrate(instance, self.path)
                self._check_mark(instance, mark)
            except BaseException:
                instance.close()
                raise
        except (duckdb.Error, OSError) as error:
            if is_new:
                _remove(Path(self.path))
            raise _cannot_open(self.path, error) from error
        return instance

    def _lock_down(self) -> None:
        """Let it be written into when it is closed, and nobody reach for other files or change that."""
        self._instance.execute("PRAGMA enable_checkpoint_on_shutdown")
        if self.path != MEMORY:
            self._instance.execute("SET allowed_directories = [$1]", [f"{folder_of(Path(self.path))}/"])
        self._instance.execute("SET enable_external_access = false")
        self._instance.execute("SET lock_configuration = true")

    def _read_mark(self) -> Progress | None:
        """How far the store had come; StoreUnavailable if there is no file that could have come so far."""
        if self._mark is None:
            return None
        store = Path(self.path)
        try:
            mark = self._mark.read()
        except StoreUnavailable as error:
            raise StoreUnavailable(f"The store {store} cannot be opened: {error.detail} {_as_is_hint(store)}") from None
        except OSError as error:
            raise _cannot_open(self.path, error) from error
        if mark is not None and mark.transactions and not store.exists():
            raise StoreUnavailable(
                f"The store {store} cannot be opened: the file is gone, with the {mark.transactions} transactions that "
                f"{self._mark.path} tells of. Put it back. {restore_hint(store)} To start anew, remove {self._mark.path}."
            )
        return mark

    def _check_mark(self, instance: duckdb.DuckDBPyConnection, mark: Progress | None) -> None:
        """Raise StoreUnavailable if something is lost that was acknowledged; from now on the mark is held."""
        if self._mark is None:
            return
        *progress, complete = instance.execute(STATEMENTS["progress"]).fetchall()[0]
        found = Progress(*progress)
        if reason := describe_loss(found, mark, complete=complete):
            raise StoreUnavailable(
                f"The store {self.path} cannot be opened: {reason}. It was left as it is. {_as_is_hint(Path(self.path))}"
            )
        if mark is None:
            self._mark.create(found)
        else:
            self._write_mark(found)

    def _write_mark(self, progress: Progress) -> None:
        """Move the mark on. What was committed stays so, whatever comes of it."""
        if self._mark is not None:
            try:
                self._mark.write(progress)
            except OSError as error:
                log.warning(
                    "%s, which tells how far the store has come, could not be written: %s", self._mark.path, error
                )

    @contextmanager
    def _reading(self, outcome: str = "It could not be read.") -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own for whoever reads; StoreUnavailable if the file or the machine fails meanwhile."""
        try:
            with self._instance.cursor() as cursor:
                yield cursor
        except duckdb.ConnectionException as error:
            raise StoreUnavailable(f"The store {self.path} has been closed.") from error
        except duckdb.Error as error:
            if not is_io_error(error):
                raise
            if isinstance(error, FATAL):
                self._connection.is_broken = True
            raise to_store_error(self.path, error, outcome) from error

    def back_up(self, keep: int) -> Backup:
        """A backup of one committed state, beside the file; see `store.protocol.Store`."""
        if self._backups is None:
            raise Conflict("The store is kept in memory only (store_url): there is nothing to restore into.")
        try:
            with self._reading("No backup was made.") as cursor:
                return self._backups.make(cursor, keep)
        except OSError as error:
            raise to_store_error(self.path, error, "No backup was made.") from error

    def backups(self) -> list[Backup]:
        """The backups there are, the last first."""
        return [] if self._backups is None else listed(Path(self.path))

    @property
    def needs_reopen(self) -> bool:
        """Whether DuckDB gave up on the instance, so that the store has to be opened anew."""
        return self._connection.is_broken

    def announce(self, contact: str) -> None:
        """Tell others of this user who want the file how to reach who has it."""
        if self._lock is not None:
            self._lock.announce(contact)

    @property
    def is_shared(self) -> bool:
        """Whether other servers may write, too."""
        return False

    def on_foreign_commit(self, tell: Callable[[], None]) -> None:
        """Nothing is told, since nobody else writes."""

    def close(self) -> None:
        """Write everything into the file and let others have it; more than once does no harm."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self.needs_reopen:
            with suppress(StoreUnavailable):  # on a full disk the mark has to do
                self.writer.mark_clean_shutdown()
        self._connection.close()
        try:
            self._instance.close()
        except duckdb.Error as error:
            log.warning(
                "The store %s could not be closed well; its log is replayed when it is opened: %s", self.path, error
            )
        self._release()

    def _release(self) -> None:
        if self._mark is not None:
            self._mark.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _path(url: str) -> str:
    """The path in a URL: always from the root, with three slashes or four, and where symbolic links lead.

    >>> _path("duckdb:///ingestion/workflow.duckdb")
    '/ingestion/workflow.duckdb'
    """
    found = url.removeprefix("duckdb:///")
    if found == MEMORY:
        return MEMORY
    if found == url or not found.strip("/"):
        raise StoreUnavailable(
            f"No store can be found by {shorten_for_message(url)} (store_url); expected duckdb:///absolute/path or duckdb:///:memory:."
        )
    return os.path.realpath("/" + found.lstrip("/"))


def acquire_lock(path: Path) -> OwnerLock:
    """Own the store at a path, whose folder is made if need be; StoreUnavailable if that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        system = _file_system(path.parent)
        if system in _NETWORK_FILE_SYSTEMS:
            log.warning(
                "The store %s is on a network file system (%s), whose locks cannot be relied on; set store_url to "
                "a file on a local disk.", path, system,
            )  # fmt: skip
        return OwnerLock(path)
    except OSError as error:
        raise StoreUnavailable(
            f"The store {path} cannot be opened: {error.strerror or error}. Make the folder {path.parent} writable, "
            "or choose another file by store_url."
        ) from error


def _file_system(folder: Path, mounts: str | None = None) -> str:
    """The type of the file system that a folder is on, as Linux' mount table tells; empty elsewhere."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    real, best, found = os.path.realpath(folder), "", ""
    for line in mounts.splitlines():
        escaped, system = line.split(" ")[1:3]
        point = _OCTAL.sub(lambda code: chr(int(code[1], 8)), escaped)
        if os.path.commonpath([real, point]) == point and len(point) >= len(best):
            best, found = point, system
    return found


def log_of(store: Path) -> Path:
    """The write-ahead log of a store."""
    return store.with_name(store.name + ".wal")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _check_whole(store: Path, instance: duckdb.DuckDBPyConnection) -> None:
    """Raise OSError if the file is too short for what is in it: DuckDB would find out when it reads what is missing.

    It counts free blocks at the end, too, which need not be in the file; so only those in use are asked for.
    """
    size, number = instance.execute("SELECT block_size, used_blocks FROM pragma_database_size()").fetchall()[0]
    found, expected = store.stat().st_size, size * number
    if found < expected:
        raise OSError(f"the file has {found} bytes of at least {expected}")


def _as_is_hint(store: Path) -> str:
    return (
        f"{restore_hint(store)} To go on with what is there: workflow-monitor restore {shlex.quote(str(store))} --as-is"
    )


def _remove(store: Path) -> None:
    """Leave nothing of a file that could not be made whole."""
    for path in (store, log_of(store)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _cannot_open(path: str, error: BaseException) -> StoreUnavailable:
    text = first_line(error)
    if is_full(error):
        advice = "The disk is full: free some space, or choose another file by store_url."
    elif "could not set lock" in text.lower():
        advice = "Another process has the file open: close it there."
    elif "version number" in text:
        advice = "A newer DuckDB wrote it: upgrade the package duckdb."
    elif is_failing(error):
        advice = FAILING_DISK
    elif Path(path).is_dir():
        advice = "It is a folder: choose a file by store_url."
    elif Path(path).exists() and not os.access(path, os.R_OK | os.W_OK):
        advice = "Make the file writable, or choose another one by store_url."
    elif Path(path).exists():
        advice = "The file, or the log beside it, is damaged or no DuckDB file. It was left as it is. " + restore_hint(
            Path(path)
        )
    else:
        advice = "Check its folder, or choose another file by store_url."
    return StoreUnavailable(f"The store {path} cannot be opened: {text} {advice}")

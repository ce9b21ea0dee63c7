"""Opening and closing of the DuckDB file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import duckdb

from workflow_monitor.domain.errors import Conflict, StoreUnavailable
from workflow_monitor.domain.models import Backup
from workflow_monitor.store.aoi_cache import AOICache
from workflow_monitor.store.duckdb.backups import Backups, backup_folder, list_backups, restore_hint
from workflow_monitor.store.duckdb.connection import FATAL, Connection, is_io_error, to_store_error
from workflow_monitor.store.duckdb.files import (
    MEMORY,
    acquire_lock,
    as_is_hint,
    check_complete,
    check_trust,
    file_size,
    log_of,
    open_error,
    path_of_url,
    private_umask,
    remove_files,
)
from workflow_monitor.store.duckdb.high_water_mark import HighWaterMark, Progress, describe_loss
from workflow_monitor.store.duckdb.lock import OwnerLock
from workflow_monitor.store.duckdb.schema import migrate
from workflow_monitor.store.duckdb.session import STATEMENTS, DuckDBSource
from workflow_monitor.store.duckdb.wal import WriteAheadLog
from workflow_monitor.store.duckdb.writer import DuckDBWriter
from workflow_monitor.store.reader import SQLReader

log = logging.getLogger(__name__)

#: size of the write-ahead log that triggers a checkpoint
CHECKPOINT_BYTES = 16 * 2**20


class DuckDBStore:
    """A store in a file, `duckdb:///absolute/path`, or in memory, `duckdb:///:memory:`.

    Raise StoreUnavailable, with the remedy, if another process owns the file, if the file is damaged, of a newer version or
    no DuckDB file, if its folder is not writable, or if the disk is full.
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
        self.path = path_of_url(url)
        if read_only:
            raise StoreUnavailable(
                f"The store {self.path} belongs to one server, which also writes it: open it through that server, and "
                "use read_only only for a store that several servers share."
            )
        self._lock: OwnerLock | None = None
        self._mark: HighWaterMark | None = None
        self._backups = None if self.path == MEMORY else Backups(Path(self.path))
        self._is_closed = False
        wal: WriteAheadLog | None = None
        try:
            if self.path != MEMORY:
                self._lock = acquire_lock(Path(self.path))
                check_trust(Path(self.path))
                self._mark = HighWaterMark(Path(self.path))
                wal = WriteAheadLog(Path(self.path), checkpoint_bytes)
            self._instance = self._open(memory_limit, threads)
            self._connection = Connection(self._instance.cursor(), self.path, wal)
            aoi_cache = AOICache()
            try:
                self.writer = DuckDBWriter(self._connection, aoi_cache, self._write_mark)
                aoi_cache.load(self.writer.aois())
                self._lock_down()
            except BaseException as error:
                self._instance.close()
                if isinstance(error, StoreUnavailable) and error.__cause__ is not None:
                    raise open_error(self.path, error.__cause__) from error
                raise
        except BaseException:
            self._release()
            raise
        if wal is not None:
            wal.keep_private()
        self.reader = SQLReader(DuckDBSource(self._reading), aoi_cache)

    def _open(self, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
        """Open the database, and create the file if it does not exist; leave no new file behind after a failure."""
        mark = self._read_mark()
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": str(threads),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "storage_compatibility_version": "v1.5.0",
            # the store checkpoints itself: see `wal.py`
            "checkpoint_threshold": "1TB",
        }
        is_new = self.path != MEMORY and not Path(self.path).exists()
        # before the replay of a log, DuckDB counts only blocks that must be in the file
        is_settled = self.path != MEMORY and not file_size(log_of(Path(self.path)))
        try:
            with private_umask() if is_new else nullcontext():
                instance = duckdb.connect(self.path, config=settings)
            try:
                # a refused file must stay unchanged
                instance.execute("PRAGMA disable_checkpoint_on_shutdown")
                if is_settled:
                    check_complete(Path(self.path), instance)
                migrate(instance, self.path)
                self._check_mark(instance, mark)
            except BaseException:
                instance.close()
                raise
        except (duckdb.Error, OSError) as error:
            if is_new:
                remove_files(Path(self.path))
            raise open_error(self.path, error) from error
        return instance

    def _lock_down(self) -> None:
        """Allow the checkpoint on close, and forbid access to other files and changes of the configuration."""
        self._instance.execute("PRAGMA enable_checkpoint_on_shutdown")
        if self.path != MEMORY:
            self._instance.execute("SET allowed_directories = [$1]", [f"{backup_folder(Path(self.path))}/"])
        self._instance.execute("SET enable_external_access = false")
        self._instance.execute("SET lock_configuration = true")

    def _read_mark(self) -> Progress | None:
        """Return the progress of the mark; raise StoreUnavailable if the store file is missing although the mark has transactions."""
        if self._mark is None:
            return None
        store = Path(self.path)
        try:
            mark = self._mark.read()
        except StoreUnavailable as error:
            raise StoreUnavailable(f"The store {store} cannot be opened: {error.detail} {as_is_hint(store)}") from None
        except OSError as error:
            raise open_error(self.path, error) from error
        if mark is not None and mark.transactions and not store.exists():
            raise StoreUnavailable(
                f"The store {store} cannot be opened: the file is missing, with the {mark.transactions} transactions that "
                f"{self._mark.path} records. Put it back. {restore_hint(store)} To start with an empty store, remove {self._mark.path}."
            )
        return mark

    def _check_mark(self, instance: duckdb.DuckDBPyConnection, mark: Progress | None) -> None:
        """Raise StoreUnavailable if acknowledged transactions are missing, else keep the mark from now on."""
        if self._mark is None:
            return
        *progress, complete = instance.execute(STATEMENTS["progress"]).fetchall()[0]
        stored = Progress(*progress)
        if reason := describe_loss(stored, mark, complete=complete):
            reason += f" ({self._mark.path} is not trusted: {self._mark.fault})" if self._mark.fault else ""
            raise StoreUnavailable(
                f"The store {self.path} cannot be opened: {reason}. It was left as it is. {as_is_hint(Path(self.path))}"
            )
        if mark is None:
            self._mark.create(stored)
        else:
            self._write_mark(stored)

    def _write_mark(self, progress: Progress) -> None:
        """Advance the mark. A failure is logged only: the transaction is committed already."""
        if self._mark is not None:
            try:
                self._mark.write(progress)
            except OSError as error:
                log.warning(
                    "%s, which tells how far the store has come, could not be written: %s", self._mark.path, error
                )

    @contextmanager
    def _reading(self, outcome: str = "It could not be read.") -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a cursor for a reader; raise StoreUnavailable if the file or the machine fails."""
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
        """Back up one committed state beside the file; see `store.interfaces.Store`."""
        if self._backups is None:
            raise Conflict("An in-memory store has no backups: set store_url to a file.")
        try:
            with self._reading("No backup was made.") as cursor:
                return self._backups.make(cursor, keep)
        except OSError as error:
            raise to_store_error(self.path, error, "No backup was made.") from error

    def backups(self) -> list[Backup]:
        """Return the backups, the newest first."""
        return [] if self._backups is None else list_backups(Path(self.path))

    @property
    def needs_reopen(self) -> bool:
        """True if DuckDB invalidated the database instance."""
        return self._connection.is_broken

    def announce(self, contact: str) -> None:
        """Publish the address of this server to other processes of this user that need the file."""
        if self._lock is not None:
            self._lock.announce(contact)

    @property
    def is_shared(self) -> bool:
        """False: one process owns the file."""
        return False

    def on_foreign_commit(self, callback: Callable[[], None]) -> None:
        """Do nothing: no other server writes."""

    def close(self) -> None:
        """Checkpoint and release the file; idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self.needs_reopen:
            with suppress(StoreUnavailable):  # on a full disk the mark alone records the progress
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

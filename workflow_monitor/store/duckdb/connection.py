"""The writer's connection, and the translation of DuckDB errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.duckdb.backups import restore_hint
from workflow_monitor.store.duckdb.session import bind
from workflow_monitor.store.duckdb.wal import WriteAheadLog

log = logging.getLogger(__name__)

#: rows from which columns go in as Arrow: DuckDB converts Python lists value by value
MANY = 300
#: errors that invalidate the DuckDB instance
FATAL = (duckdb.FatalException, duckdb.InternalException)
#: errors of the machine, not of the statement
IO_ERRORS = (duckdb.IOException, duckdb.OutOfMemoryException, *FATAL)

_FULL = ("no space", "disk full", "not enough space", "file too large", "quota exceeded")
_FAILING = ("input/output error", "fsync failed")
FAILING_DISK = "The disk reports errors: check the system log."
_DAMAGED = ("corrupt", "could not read", "checksum")
NOTHING_STORED = "Nothing of this request was stored."
UNCERTAIN = "It is not certain whether this request was stored: check before you send it again."


def is_io_error(error: duckdb.Error) -> bool:
    """Return True for an error of the machine. DuckDB reports a damaged block as a plain Error."""
    return isinstance(error, IO_ERRORS) or type(error) is duckdb.Error


def first_line(error: BaseException) -> str:
    """Return the first line of an error as a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def is_full(error: BaseException) -> bool:
    """Return True for an error of a full disk or quota."""
    text = str(error).lower()
    return any(sign in text for sign in _FULL)


def is_failing(error: BaseException) -> bool:
    """Return True for an I/O error of the disk."""
    text = str(error).lower()
    return any(sign in text for sign in _FAILING)


def to_store_error(path: str, error: BaseException, outcome: str = NOTHING_STORED) -> StoreUnavailable:
    """Return the error to raise for a failure of the file system or of DuckDB, with the remedy."""
    advice = ""
    if is_full(error):
        advice = "The disk is full: free some space. "
    elif "read-only" in str(error).lower() or "permission denied" in str(error).lower():
        advice = "The file cannot be written: check its permissions and those of its folder. "
    elif is_failing(error):
        advice = f"{FAILING_DISK} "
    elif any(sign in str(error).lower() for sign in _DAMAGED):
        advice = f"The file is damaged. {restore_hint(Path(path))} "
    return StoreUnavailable(f"The store {path} failed: {first_line(error)} {advice}{outcome}")


class Connection:
    """Connection of the writer thread; see `store.writer.WriteConnection`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, path: str, wal: WriteAheadLog | None = None) -> None:
        self._cursor = cursor
        self._path = path
        self._wal = wal
        #: True if the instance must be opened again
        self.is_broken = False

    def begin(self) -> bool:
        """Begin a transaction; return False, since no other server writes."""
        self.execute("BEGIN TRANSACTION")
        return False

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return all rows; raise StoreUnavailable if the file or the machine fails."""
        try:
            return self._cursor.execute(statement, values or None).fetchall()
        except duckdb.Error as error:
            if not is_io_error(error):
                raise
            self.is_broken = self.is_broken or isinstance(error, FATAL)
            raise to_store_error(self._path, error) from error

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a named statement and return all rows."""
        return self.execute(*bind(name, values))

    def change(self, name: str, *values: object) -> int:
        """Run a statement that changes rows, and return their count."""
        return int(self.rows(name, *values)[0][0])

    def write(self, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Run a statement with these columns as its values, in order; return the count of written rows."""
        rows = list(columns.values())
        if len(rows[0]) < MANY:
            return self.change(name, *rows)
        self._cursor.register("new_rows", pa.table(dict(columns)))
        try:
            return self.change(f"{name}_from_arrow")
        finally:
            self._cursor.unregister("new_rows")

    def corruption_error(self, detail: str) -> StoreUnavailable:
        """Return the error of a store that contradicts the engine, and mark the instance as broken."""
        self.is_broken = True
        log.error("store_corrupted store=%s detail=%r", self._path, detail)
        return StoreUnavailable(f"The store {self._path} is damaged: {detail}. {NOTHING_STORED}")

    def commit(self) -> None:
        """Commit the transaction durably, or roll all of it back."""
        length = self._wal.size if self._wal is not None else 0
        try:
            self._cursor.execute("COMMIT")
        except duckdb.Error as error:
            self.roll_back()
            text = str(error).lower()
            # a log record that was written but not synced may survive
            is_left = self._wal is not None and self._wal.size > length
            is_uncertain = is_left or isinstance(error, FATAL) or "fsync" in text
            # DuckDB would append behind a record that it failed to truncate, and later not read beyond that record
            self.is_broken = self.is_broken or is_uncertain or "truncate" in text
            outcome = UNCERTAIN if is_uncertain else NOTHING_STORED
            raise to_store_error(self._path, error, outcome) from error
        if self._wal is not None and self._wal.is_due():
            self._checkpoint(self._wal)

    def _checkpoint(self, wal: WriteAheadLog) -> None:
        """Checkpoint the log. A failure is logged only: the transactions are committed already."""
        try:
            self._cursor.execute("CHECKPOINT")
        except duckdb.TransactionException:
            return  # a reader still uses an older state: retry after a later commit
        except duckdb.Error as error:
            self.is_broken = self.is_broken or isinstance(error, FATAL)
            log.warning("checkpoint_failed store=%s reason=%s", self._path, first_line(error))
        wal.keep_private()

    def roll_back(self) -> None:
        """Roll back the transaction, if one is open."""
        try:
            self._cursor.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # DuckDB had rolled it back itself
        except duckdb.Error:
            self.is_broken = True

    def close(self) -> None:
        self._cursor.close()

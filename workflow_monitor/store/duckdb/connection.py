"""The connection that writes, with DuckDB's errors turned into what the user can act on."""

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

#: rows from which on columns are handed over as Arrow: DuckDB takes Python lists apart value by value
MANY = 300
#: after these DuckDB's whole instance is of no use any more, says its documentation
FATAL = (duckdb.FatalException, duckdb.InternalException)
#: what the machine, and not the statement, is to blame for
IO_ERRORS = (duckdb.IOException, duckdb.OutOfMemoryException, *FATAL)

_FULL = ("no space", "disk full", "not enough space", "file too large", "quota exceeded")
_FAILING = ("input/output error", "fsync failed")
FAILING_DISK = "The disk does not work as it should: look into the log of the machine."
_DAMAGED = ("corrupt", "could not read", "checksum")
NOTHING_STORED = "Nothing of this request was stored."
UNCERTAIN = "It is not certain whether this request was stored: look before you send it again."


def is_io_error(error: duckdb.Error) -> bool:
    """Whether the machine is to blame. A block that is damaged is told as an error of no kind."""
    return isinstance(error, IO_ERRORS) or type(error) is duckdb.Error


def first_line(error: BaseException) -> str:
    """What an error says first, as a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def is_full(error: BaseException) -> bool:
    """Whether an error tells that there is no more room on the disk, or in the user's share of it."""
    text = str(error).lower()
    return any(sign in text for sign in _FULL)


def is_failing(error: BaseException) -> bool:
    """Whether an error tells that the disk itself does not work."""
    text = str(error).lower()
    return any(sign in text for sign in _FAILING)


def to_store_error(path: str, error: BaseException, outcome: str = NOTHING_STORED) -> StoreUnavailable:
    """What to tell of a failure of the file system or of DuckDB itself."""
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
    """A DuckDB connection that one thread uses."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, path: str, wal: WriteAheadLog | None = None) -> None:
        self._cursor = cursor
        self._path = path
        self._wal = wal
        #: set when the instance has to be opened anew
        self.is_broken = False

    def begin(self) -> bool:
        """Begin a transaction; nobody else writes."""
        self.execute("BEGIN TRANSACTION")
        return False

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all its rows; StoreUnavailable if the file or the machine fails."""
        try:
            return self._cursor.execute(statement, values or None).fetchall()
        except duckdb.Error as error:
            if not is_io_error(error):
                raise
            self.is_broken = self.is_broken or isinstance(error, FATAL)
            raise to_store_error(self._path, error) from error

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement by name."""
        return self.execute(*bind(name, values))

    def change(self, name: str, *values: object) -> int:
        """Run a statement that changes rows; how many it has changed."""
        return int(self.rows(name, *values)[0][0])

    def write(self, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Run a statement over rows, whose columns are the values of the statement in this order; how many it wrote."""
        rows = list(columns.values())
        if len(rows[0]) < MANY:
            return self.change(name, *rows)
        self._cursor.register("new_rows", pa.table(dict(columns)))
        try:
            return self.change(f"{name}_from_arrow")
        finally:
            self._cursor.unregister("new_rows")

    def corruption_error(self, what: str) -> StoreUnavailable:
        """What to raise if the store does not hold what it has to; it is opened anew then."""
        self.is_broken = True
        log.error("The store %s does not hold what it has to: %s", self._path, what)
        return StoreUnavailable(f"The store {self._path} does not hold what it has to: {what}. {NOTHING_STORED}")

    def commit(self) -> None:
        """Put the transaction on disk, or leave nothing of it."""
        length = self._wal.size if self._wal is not None else 0
        try:
            self._cursor.execute("COMMIT")
        except duckdb.Error as error:
            self.roll_back()
            text = str(error).lower()
            # what was written and could not be synced may be there, or come to be there
            is_left = self._wal is not None and self._wal.size > length
            is_uncertain = is_left or isinstance(error, FATAL) or "fsync" in text
            # DuckDB would write on behind what it could not remove from the log, and later not read beyond it
            self.is_broken = self.is_broken or is_uncertain or "truncate" in text
            outcome = UNCERTAIN if is_uncertain else NOTHING_STORED
            raise to_store_error(self._path, error, outcome) from error
        if self._wal is not None and self._wal.is_due():
            self._checkpoint(self._wal)

    def _checkpoint(self, wal: WriteAheadLog) -> None:
        """Write the log into the file. What was committed stays so, whatever comes of it."""
        try:
            self._cursor.execute("CHECKPOINT")
        except duckdb.TransactionException:
            return  # somebody still reads what has been changed since: after a later commit
        except duckdb.Error as error:
            self.is_broken = self.is_broken or isinstance(error, FATAL)
            log.warning("The log of the store %s could not be written into the file: %s", self._path, first_line(error))
        wal.keep_private()

    def roll_back(self) -> None:
        """Leave nothing of the transaction, if there is one."""
        try:
            self._cursor.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # DuckDB had rolled it back itself
        except duckdb.Error:
            self.is_broken = True

    def close(self) -> None:
        self._cursor.close()

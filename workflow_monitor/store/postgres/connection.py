"""Connections to the database, and the translation of its errors."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from workflow_monitor.domain.errors import StoreUnavailable, shorten_for_message

Connection = psycopg.Connection[tuple[Any, ...]]

#: idle reader connections to keep
MAX_IDLE = 8
#: seconds that a writer waits for the lock of another server's writer
LOCK_TIMEOUT_SECONDS = 30
#: errors of the machine, the network or the database configuration, not of the statement
IO_ERRORS = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.ReadOnlySqlTransaction,
)
#: A server that hangs while it holds the writer lock, or disappears, must not block the others forever.
_SETTINGS = {
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": "120s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "timezone": "UTC",
    "client_encoding": "UTF8",
}
#: connection parameters; the URL overrides them
_DEFAULTS = {"application_name": "workflow-monitor", "connect_timeout": "10"}
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (psycopg.errors.DiskFull, "The database's disk is full: free some space."),
    (psycopg.errors.TooManyConnections, "The database accepts no more connections: raise its max_connections."),
    (
        psycopg.errors.LockNotAvailable,
        f"Another server over the same database has been writing for {LOCK_TIMEOUT_SECONDS} s: try again.",
    ),
    (
        psycopg.errors.InsufficientPrivilege,
        "The role lacks privileges: grant them, or open the store with read_only.",
    ),
    (
        psycopg.errors.ReadOnlySqlTransaction,
        "The database is read-only, perhaps a standby: connect to the primary, or open the store with read_only.",
    ),
)
NOTHING_STORED = "Nothing of this request was stored."
UNCERTAIN = "It is not certain whether this request was stored: check before you send it again."


class ConnectionInfo:
    """Connection parameters of `store_url`, completed by libpq's environment and files."""

    def __init__(self, url: str) -> None:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # its text contains the URL and so the password
            raise StoreUnavailable(
                "The store_url is invalid: expected postgresql://user@host:port/database. Keep passwords "
                "in ~/.pgpass or PGPASSFILE."
            ) from None
        self._conninfo = make_conninfo(url, **{name: value for name, value in _DEFAULTS.items() if name not in parts})
        where = f"{parts.get('host', '')}:{parts['port']}" if parts.get("port") else parts.get("host", "")
        #: URL for messages, without the password
        self.text = f"postgresql://{where}/{parts.get('dbname', '')}"

    def connect(self, *, read_only: bool = False, outcome: str = "") -> Connection:
        """Open an autocommit connection; raise StoreUnavailable if that fails."""
        settings = _SETTINGS | ({"default_transaction_read_only": "on"} if read_only else {})
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True, cursor_factory=psycopg.RawCursor)
            try:
                connection.server_cursor_factory = psycopg.RawServerCursor
                values = [part for setting in settings.items() for part in setting]
                calls = ", ".join(f"set_config(${at}, ${at + 1}, false)" for at in range(1, len(values), 2))
                connection.execute(f"SELECT {calls}".encode(), values)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise to_store_error(self.text, error, outcome) from error
        return connection


def first_line(error: BaseException) -> str:
    """Return the first line of an error as a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."


def to_store_error(where: str, error: Exception, outcome: str = NOTHING_STORED) -> StoreUnavailable:
    """Return the error to raise for a failure of the database or the network, with the remedy."""
    advice = [text for kind, text in _ADVICE if isinstance(error, kind)]
    return StoreUnavailable(" ".join([f"The store {where} failed: {first_line(error)}", *advice[:1], outcome]).strip())


def set_search_path(connection: Connection) -> None:
    """Resolve table names in our schema first, then in the Geocube ingester's."""
    connection.execute(
        b"SELECT set_config('search_path', 'workflow_monitor, ' || current_setting('search_path'), false)"
    )


def is_gone(connection: Connection) -> bool:
    """Return True if the database has closed an idle connection or is about to."""
    if connection.closed:
        return True
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


class Connections:
    """Pool of reader connections: opens as many as needed, keeps some idle ones."""

    def __init__(self, where: str, connect: Callable[[], Connection]) -> None:
        self._where = where
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._is_closed = False

    @contextmanager
    def lease(self) -> Iterator[Connection]:
        """Lease a connection to a reader; raise StoreUnavailable if the database fails."""
        connection = self._acquire()
        try:
            yield connection
        except IO_ERRORS as error:
            raise to_store_error(self._where, error, "It could not be read.") from error
        finally:
            self._release(connection)

    def _acquire(self) -> Connection:
        while True:
            with self._lock:
                if self._is_closed:
                    raise StoreUnavailable(f"The store {shorten_for_message(self._where)} has been closed.")
                if not self._idle:
                    break
                connection = self._idle.pop()
            if not is_gone(connection):
                return connection
            connection.close()
        return self._connect()

    def _release(self, connection: Connection) -> None:
        with suppress(psycopg.Error):
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                connection.execute(b"ROLLBACK")
            with self._lock:
                if not self._is_closed and not connection.closed and len(self._idle) < MAX_IDLE:
                    self._idle.append(connection)
                    return
        connection.close()

    def close(self) -> None:
        """Close idle connections now, and connections in use on their return."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

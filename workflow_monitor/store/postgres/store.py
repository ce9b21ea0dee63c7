"""Opening and closing the database."""

from __future__ import annotations

from collections.abc import Callable

from workflow_monitor.domain.errors import Conflict
from workflow_monitor.domain.models import Backup
from workflow_monitor.store.postgres.aoi_queries import StoredAOIs
from workflow_monitor.store.postgres.connection import Connection, ConnectionInfo, Connections, set_search_path
from workflow_monitor.store.postgres.listener import Listener
from workflow_monitor.store.postgres.schema import check, migrate
from workflow_monitor.store.postgres.session import READ_ONLY_STATEMENTS, STATEMENTS, PostgresSource
from workflow_monitor.store.postgres.writer import PostgresWriter
from workflow_monitor.store.postgres.writer_connection import WriterConnection
from workflow_monitor.store.reader import SQLReader


class PostgresStore:
    """A store in a database, `postgresql://user@host:port/database`, that several servers may have open at once.

    The tables of a Geocube ingester that are there are used, those that are missing are made; what we need besides is
    added. With `read_only` nothing is, and nothing is written. Raises StoreUnavailable, with what to do.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._address = ConnectionInfo(url)
        self.is_read_only = read_only
        with self._address.connect(read_only=read_only) as connection:
            if not read_only:
                migrate(connection, self._address.text)
            is_ours = check(connection, self._address.text) > 0
        self._is_ours = is_ours
        self._connections = Connections(self._address.text, self._connect)
        source = PostgresSource(self._connections, STATEMENTS if is_ours else READ_ONLY_STATEMENTS)
        self._writing = WriterConnection(self._address)
        self._listener: Listener | None = None
        self.writer = PostgresWriter(self._writing)
        self.reader = SQLReader(source, StoredAOIs(source))

    def _connect(self) -> Connection:
        connection = self._address.connect(read_only=self.is_read_only)
        if self._is_ours:
            set_search_path(connection)
        return connection

    @property
    def needs_reopen(self) -> bool:
        """Never: connections that are lost are opened anew."""
        return False

    @property
    def is_shared(self) -> bool:
        """Whether other servers may write, too."""
        return True

    def on_foreign_commit(self, callback: Callable[[], None]) -> None:
        """Have `tell` called, on a thread of its own, after others have committed, and once at the beginning."""
        if self._is_ours:
            self._listener = Listener(self._address, self._writing.name, callback)

    def announce(self, contact: str) -> None:
        """Nobody needs to be told how to reach this server: whoever wants the database opens it, too."""

    def back_up(self, keep: int) -> Backup:  # noqa: ARG002 - as any store is asked
        """Conflict: the database has backups of its own."""
        raise Conflict("A PostgreSQL store is backed up as any database is: by pg_dump, or by who runs it.")

    def backups(self) -> list[Backup]:
        """None that we have made."""
        return []

    def close(self) -> None:
        """Let go of all connections."""
        if self._listener is not None:
            self._listener.close()
        self._writing.drop()
        self._connections.close()

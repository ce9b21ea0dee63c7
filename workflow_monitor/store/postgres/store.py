"""Opening and closing of the database."""

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
    """A store in a database, `postgresql://user@host:port/database`, shared by several servers.

    It uses or creates the tables of a Geocube ingester and adds its own. With `read_only` it adds and writes nothing.
    Raise StoreUnavailable, with the remedy, if the database cannot be opened.
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
        """False: lost connections reopen on demand."""
        return False

    @property
    def is_shared(self) -> bool:
        """True: other servers may write."""
        return True

    def on_foreign_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` on a background thread after commits of other servers, and once at the start."""
        if self._is_ours:
            self._listener = Listener(self._address, self._writing.name, callback)

    def announce(self, contact: str) -> None:
        """Do nothing: other servers open the database directly."""

    def back_up(self, keep: int) -> Backup:  # noqa: ARG002 - interface of `Store`
        """Raise Conflict: database tools make the backups."""
        raise Conflict(
            "Workflow Monitor makes no backups of a PostgreSQL store: use pg_dump or the backups of the database service."
        )

    def backups(self) -> list[Backup]:
        """Return an empty list."""
        return []

    def close(self) -> None:
        """Close all connections."""
        if self._listener is not None:
            self._listener.close()
        self._writing.drop()
        self._connections.close()

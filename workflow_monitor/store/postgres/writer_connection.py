"""The writer's connection, serialized with the writers of other servers by a row lock."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.pq import TransactionStatus

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.postgres.connection import (
    IO_ERRORS,
    NOTHING_STORED,
    UNCERTAIN,
    Connection,
    ConnectionInfo,
    is_gone,
    set_search_path,
    to_store_error,
)
from workflow_monitor.store.postgres.session import STATEMENTS

log = logging.getLogger(__name__)


class WriterConnection:
    """Connection of the writer thread; see `store.writer.WriteConnection`. It reopens after a loss."""

    def __init__(self, address: ConnectionInfo) -> None:
        self._address = address
        self._connection: Connection | None = None
        #: id of this writer in notifications; new each time the store is opened
        self.name = uuid4().hex
        #: True if the commit should notify other servers
        self.should_notify = False
        #: version after the last own commit; None if unknown
        self._seen_version: int | None = None
        self._version = 0

    def begin(self) -> bool:
        """Begin a transaction and lock out other writers; return True if another server committed changes meanwhile."""
        self.should_notify = False
        if self._connection is not None and is_gone(self._connection):
            self.drop()
        self._execute(b"BEGIN")
        try:
            ((self._version,),) = self.rows("lock_writer")
        except BaseException:
            self.roll_back()
            raise
        is_outdated = self._seen_version != self._version
        # unknown until this transaction ends
        self._seen_version = None
        return is_outdated

    def bump_version(self) -> None:
        """Mark the cached rows of other servers as stale."""
        self._version += 1
        self.rows("bump_version", self._version)

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a named statement and return all rows; raise StoreUnavailable if the database fails."""
        return self._execute(STATEMENTS[name].encode(), values)

    def change(self, name: str, *values: object) -> int:
        """Run a statement that changes rows, and return their count."""
        return self._run(STATEMENTS[name].encode(), values).rowcount

    def write(self, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Run a statement with these columns as its values, in order; return the count of written rows."""
        return self.change(name, *columns.values())

    def corruption_error(self, detail: str) -> StoreUnavailable:
        """Return the error of a store that contradicts the engine, and log it."""
        log.error("store_corrupted store=%s detail=%r", self._address.text, detail)
        return StoreUnavailable(f"The store {self._address.text} is damaged: {detail}. {NOTHING_STORED}")

    def _execute(self, statement: bytes, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        cursor = self._run(statement, values)
        return cursor.fetchall() if cursor.description else []

    def _run(self, statement: bytes, values: Sequence[object]) -> psycopg.Cursor[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = self._address.connect(outcome=NOTHING_STORED)
            set_search_path(self._connection)
        try:
            return self._connection.execute(statement, values)
        except IO_ERRORS as error:
            raise to_store_error(self._address.text, error) from error

    def prepare(self, find: str, create: str) -> None:
        """Create a table in the ingester's schema if `find` returns False; outside of transactions."""
        with self._address.connect() as connection:
            try:
                if connection.execute(STATEMENTS[find].encode()).fetchall() == [(False,)]:
                    connection.execute(STATEMENTS[create].encode())
            except IO_ERRORS as error:
                raise to_store_error(self._address.text, error) from error

    def commit(self) -> None:
        """Commit the transaction durably, or roll all of it back; notify other servers."""
        try:
            if self.should_notify:
                self.rows("notify", self.name)
        except BaseException:
            self.roll_back()
            raise
        try:
            self._commit()
        except psycopg.Error as error:
            was_lost = self._connection is None or self._connection.closed
            self.roll_back()
            raise to_store_error(self._address.text, error, UNCERTAIN if was_lost else NOTHING_STORED) from error
        self._seen_version = self._version

    def _commit(self) -> None:
        if self._connection is None:
            raise psycopg.OperationalError("the connection was lost")
        self._connection.execute(b"COMMIT")

    def roll_back(self) -> None:
        """Roll back the transaction, if one is open."""
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                connection.execute(b"ROLLBACK")
        except psycopg.Error:
            self.drop()

    def drop(self) -> None:
        """Close the connection; the next transaction opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

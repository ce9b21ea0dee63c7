"""The connection that writes, when it is its turn among those of all servers over the database."""

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
    """The connection that writes; see `store.writer.Connection`. It is opened anew when it is lost."""

    def __init__(self, address: ConnectionInfo) -> None:
        self._address = address
        self._connection: Connection | None = None
        #: tells this writer from those of other servers, and from itself after the store was opened anew
        self.name = uuid4().hex
        #: whether the transaction has something that other servers want to know
        self.should_notify = False
        #: how many transactions have changed something, as far as this writer knows what they changed
        self._seen_version: int | None = None
        self._version = 0

    def begin(self) -> bool:
        """Begin a transaction when it is this writer's turn; whether others have changed something since its last one."""
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
        # until it is known how this transaction ends
        self._seen_version = None
        return is_outdated

    def bump_version(self) -> None:
        """Tell other servers, when their turn comes, that this transaction has changed something."""
        self._version += 1
        self.rows("bump_version", self._version)

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all its rows; StoreUnavailable if the database cannot do it at the moment."""
        return self._execute(STATEMENTS[name].encode(), values)

    def change(self, name: str, *values: object) -> int:
        """Run a statement that changes rows; how many it has changed."""
        return self._run(STATEMENTS[name].encode(), values).rowcount

    def write(self, name: str, columns: Mapping[str, Sequence[object]]) -> int:
        """Run a statement over rows, whose columns are the values of the statement in this order; how many it wrote."""
        return self.change(name, *columns.values())

    def corruption_error(self, what: str) -> StoreUnavailable:
        """What to raise if the store does not hold what it has to."""
        log.error("The store %s does not hold what it has to: %s", self._address.text, what)
        return StoreUnavailable(
            f"The store {self._address.text} does not hold what it has to: {what}. {NOTHING_STORED}"
        )

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
        """Make what a statement does not find, where the ingester's tables are, and outside of transactions."""
        with self._address.connect() as connection:
            try:
                if connection.execute(STATEMENTS[find].encode()).fetchall() == [(False,)]:
                    connection.execute(STATEMENTS[create].encode())
            except IO_ERRORS as error:
                raise to_store_error(self._address.text, error) from error

    def commit(self) -> None:
        """Put the transaction on disk, or leave nothing of it; others are told."""
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
        """Leave nothing of the transaction, if there is one."""
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

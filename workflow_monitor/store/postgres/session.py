"""Read sessions on PostgreSQL connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from workflow_monitor.store.document_sql import sections as document_sections
from workflow_monitor.store.postgres.connection import Connections
from workflow_monitor.store.reader import READING
from workflow_monitor.store.sql import statements
from workflow_monitor.store.writer import WRITING

if TYPE_CHECKING:
    import pyarrow as pa

PACKAGE = "workflow_monitor.store.postgres"
GEOCUBE = (PACKAGE, "geocube.sql")
STATEMENTS = statements(
    READING, WRITING, GEOCUBE, (PACKAGE, "dialect.sql"), (PACKAGE, "pgqueue.sql"), generated=document_sections()
)
#: for unmigrated tables of a Geocube ingester; a statement may begin with WITH and end in a comment
READ_ONLY_STATEMENTS = {
    name: f"{STATEMENTS['tables']}\nSELECT * FROM ({statement}\n) AS result" for name, statement in STATEMENTS.items()
}


class PostgresSession:
    """A read session on one connection; see `store.session.Session`."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], named: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = named

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(self._statements[name].encode(), values).fetchall()

    def chunks(self, name: str, *values: object, size: int) -> Iterator[list[tuple[Any, ...]]]:
        with self._connection.cursor(name) as cursor:
            cursor.execute(self._statements[name].encode(), values)
            while rows := cursor.fetchmany(size):
                yield rows

    def numbers(self, name: str, *values: object) -> Sequence[int]:
        with self._connection.cursor(binary=True) as cursor:
            return [number for (number,) in cursor.execute(self._statements[name].encode(), values)]

    def table(self, name: str, *values: object) -> pa.Table:
        with self._connection.cursor(binary=True) as cursor:
            cursor.execute(self._statements[name].encode(), values)
            return _table(cursor)


class PostgresSource:
    """Sessions over connections; see `store.reader.Source`."""

    def __init__(self, connections: Connections, named: Mapping[str, str]) -> None:
        self._connections = connections
        self._statements = named

    @contextmanager
    def single(self) -> Iterator[PostgresSession]:
        with self._connections.lease() as connection:
            yield PostgresSession(connection, self._statements)

    @contextmanager
    def snapshot(self) -> Iterator[PostgresSession]:
        with self._connections.lease() as connection:
            connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresSession(connection, self._statements)


def _table(cursor: psycopg.Cursor[tuple[Any, ...]]) -> pa.Table:
    """All rows as columns of the types that any store gives: whole numbers have 64 bits, the smallest are codes."""
    import pyarrow as pa  # noqa: PLC0415 - 0.2 s that only Arrow answers need

    types = {
        "int2": pa.uint8(),
        "int4": pa.int64(),
        "int8": pa.int64(),
        "text": pa.string(),
        "varchar": pa.string(),
        "timestamp": pa.timestamp("us"),
        "bytea": pa.binary(),
    }
    described = cursor.description or []
    names = [column.name for column in described]
    found = [types[psycopg.adapters.types[column.type_code].name] for column in described]
    rows = cursor.fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, found, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)

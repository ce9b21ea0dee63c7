"""What a reader asks of a cursor of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from workflow_monitor.store.reader import READING
from workflow_monitor.store.sql import statements
from workflow_monitor.store.writer import WRITING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STATEMENTS = statements(READING, WRITING, ("workflow_monitor.store.duckdb", "dialect.sql"))


class DuckDBSession:
    """See `store.reader.Session`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        return self._cursor.execute(STATEMENTS[name], values).fetchall()

    def chunks(self, name: str, *values: object, size: int) -> Iterator[list[tuple[Any, ...]]]:
        self._cursor.execute(STATEMENTS[name], values)
        while rows := self._cursor.fetchmany(size):
            yield rows

    def numbers(self, name: str, *values: object) -> Sequence[int]:
        (column,) = self._cursor.execute(STATEMENTS[name], values).fetchnumpy().values()
        return cast("Sequence[int]", column)

    def table(self, name: str, *values: object) -> pa.Table:
        return self._cursor.sql(STATEMENTS[name], params=values).to_arrow_table()


class DuckDBSource:
    """Sessions over cursors; see `store.reader.Source`."""

    def __init__(self, open_cursor: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]) -> None:
        self._open_cursor = open_cursor

    @contextmanager
    def single(self) -> Iterator[DuckDBSession]:
        with self._open_cursor() as cursor:
            yield DuckDBSession(cursor)

    @contextmanager
    def snapshot(self) -> Iterator[DuckDBSession]:
        with self._open_cursor() as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield DuckDBSession(cursor)
            finally:
                cursor.execute("ROLLBACK")

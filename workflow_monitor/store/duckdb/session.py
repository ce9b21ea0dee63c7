"""Read sessions on DuckDB cursors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from workflow_monitor.store.document_sql import sections as document_sections
from workflow_monitor.store.reader import READING
from workflow_monitor.store.sql import statements
from workflow_monitor.store.writer import WRITING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STATEMENTS = statements(
    READING, WRITING, ("workflow_monitor.store.duckdb", "dialect.sql"), generated=document_sections()
)
_CHOICE = re.compile(r"IN \(SELECT unnest\((\$\d+)::(\w+)\[\]\)\)")
_COLUMN = re.compile(r"unnest\((\$\d+)::(\w+)\[\]\)")


def single_row_variants(named: Mapping[str, str]) -> dict[str, str]:
    """Return variants of statements over lists, for lists of one value.

    DuckDB needs longer to plan a join with a list than to read one row.

    >>> single_row_variants({"scenes": "SELECT * FROM scene WHERE id IN (SELECT unnest($1::BIGINT[]))"})
    {'scenes': 'SELECT * FROM scene WHERE id = $1::BIGINT'}
    """
    variants = {}
    for name, statement in named.items():
        text = _COLUMN.sub(r"\1::\2", _CHOICE.sub(r"= \1::\2", statement))
        if text != statement and "[]" not in text:
            variants[name] = text
    return variants


_SINGLE_ROW_VARIANTS = single_row_variants(STATEMENTS)


def bind(name: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
    """Return the fastest form of a statement for these values, and the values to bind."""
    lengths = {len(value) for value in values if isinstance(value, list)}
    if lengths == {1} and name in _SINGLE_ROW_VARIANTS:
        return _SINGLE_ROW_VARIANTS[name], [value[0] if isinstance(value, list) else value for value in values]
    return STATEMENTS[name], values


class DuckDBSession:
    """A read session on one cursor; see `store.session.Session`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def rows(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        return self._cursor.execute(*bind(name, values)).fetchall()

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
    """Opens sessions on cursors; see `store.session.SessionFactory`."""

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

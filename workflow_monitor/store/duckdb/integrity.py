"""What may never be found in a store, whatever happened to it."""

from __future__ import annotations

import duckdb

from workflow_monitor.store.sql import statements

_SQL = statements(("workflow_monitor.store.duckdb", "integrity.sql"))
_PARTS = frozenset({"items"})
EXAMPLES = 5


def check_integrity(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """What is wrong in a store that is open, each with a few examples; empty if all hangs together."""
    found = []
    for name, statement in _SQL.items():
        if name not in _PARTS and (rows := cursor.execute(statement).fetchmany(EXAMPLES)):
            found.append(f"{name.replace('_', ' ')}: {', '.join(map(str, rows))}")
    return found

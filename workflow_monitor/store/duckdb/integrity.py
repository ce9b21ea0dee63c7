"""Integrity check of a store: invariants that hold after any crash."""

from __future__ import annotations

import duckdb

from workflow_monitor.store.sql import statements

_SQL = statements(("workflow_monitor.store.duckdb", "integrity.sql"))
_PARTS = frozenset({"items"})
EXAMPLES = 5


def check_integrity(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the violated invariants of an open store, each with a few rows; empty for a consistent store."""
    violations = []
    for name, statement in _SQL.items():
        if name not in _PARTS and (rows := cursor.execute(statement).fetchmany(EXAMPLES)):
            violations.append(f"{name.replace('_', ' ')}: {', '.join(map(str, rows))}")
    return violations

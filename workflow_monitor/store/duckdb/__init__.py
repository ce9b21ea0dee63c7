"""The embedded store: one DuckDB file, owned by one process."""

from workflow_monitor.store.duckdb.store import DuckDBStore

__all__ = ["DuckDBStore"]

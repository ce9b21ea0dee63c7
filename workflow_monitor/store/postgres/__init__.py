"""The shared store: a PostgreSQL database with the tables of a Geocube ingester, for one or more servers."""

from workflow_monitor.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]

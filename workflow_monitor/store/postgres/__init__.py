"""The shared store: a PostgreSQL database, as a Geocube ingester has it, that several servers may work over at once."""

from workflow_monitor.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]

"""Schema of the DuckDB file and its migrations."""

from __future__ import annotations

from importlib.resources import files

import duckdb

from workflow_monitor.domain.errors import StoreUnavailable, shorten_for_message

_VERSION = "SELECT max(version) FROM schema_version"
_TABLES = "SELECT table_name FROM information_schema.tables ORDER BY table_name"


def _migrations() -> list[tuple[int, str]]:
    folder = files("workflow_monitor.store.duckdb").joinpath("migrations")
    migrations = [
        (int(file.name.split("_")[0]), file.read_text("utf-8")) for file in folder.iterdir() if file.is_file()
    ]
    return sorted(migrations)


def migrate(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Migrate a file, also an empty one, to the present version; raise StoreUnavailable for a newer or a foreign file.

    Each step is one transaction and one checkpoint, so that no later recovery repeats
    schema changes.
    """
    tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
    if tables and "schema_version" not in tables:
        raise StoreUnavailable(
            f"The store {path} is a DuckDB file of another program (with the table {shorten_for_message(tables[0])}). It was left as "
            "it is: choose another file by store_url."
        )
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    version: int = (connection.execute(_VERSION).fetchone() or (None,))[0] or 0
    migrations = _migrations()
    newest = migrations[-1][0]
    if version > newest:
        raise StoreUnavailable(
            f"The store {path} has version {version}, which a newer workflow-monitor wrote; this one supports "
            f"versions up to {newest}. Upgrade workflow-monitor, or choose another file by store_url."
        )
    for number, script in migrations:
        if number > version:
            connection.execute("BEGIN TRANSACTION")
            connection.execute(script)
            connection.execute("INSERT INTO schema_version VALUES (?)", (number,))
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")

"""Tables and columns added to those of a Geocube ingester, and their removal."""

from __future__ import annotations

import logging
import re

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.postgres.connection import IO_ERRORS, Connection, ConnectionInfo, to_store_error
from workflow_monitor.store.postgres.session import GEOCUBE, PACKAGE
from workflow_monitor.store.sql import statements

log = logging.getLogger(__name__)

_SQL = statements(GEOCUBE, (PACKAGE, "schema.sql"))
_STEPS = {int(name.removeprefix("step_")): text for name, text in _SQL.items() if re.fullmatch(r"step_\d+", name)}
NEWEST = max(_STEPS)
#: serializes servers that check and migrate the tables
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('workflow_monitor schema', 0))"
_COLUMNS = {
    "aoi": {"id", "status"},
    "scene": {"id", "aoi_id", "status", "message", "source_id", "data", "retry_countdown"},
    "tile": {"id", "scene_id", "status", "message", "prev", "ref", "source_id", "data", "retry_countdown"},
}


def version(connection: Connection) -> int:
    """Return the version of the added schema, 0 without one."""
    if connection.execute(b"SELECT to_regclass('workflow_monitor.schema_version')").fetchall() == [(None,)]:
        return 0
    ((number,),) = connection.execute(b"SELECT max(version) FROM workflow_monitor.schema_version").fetchall()
    return int(number)


def check(connection: Connection, where: str) -> int:
    """Return the version of the added schema; raise StoreUnavailable if the tables cannot be read."""
    installed = version(connection)
    if installed > NEWEST:
        raise StoreUnavailable(
            f"The store {where} has version {installed}, which a newer workflow-monitor wrote; this one supports versions up to "
            f"{NEWEST}. Upgrade workflow-monitor, or choose another database by store_url."
        )
    present = {table: set[str]() for table in _COLUMNS}
    for table, column in connection.execute(_SQL["find_columns"].encode()).fetchall():
        present[table].add(column)
    missing = [f"{t}.{c}" for t, columns in _COLUMNS.items() for c in sorted(columns - present[t])]
    if not any(present.values()):
        raise TablesMissing(
            f"The store {where} has no tables of an ingestion, and read_only forbids to create them. Open it once without read_only."
        )
    if missing:
        raise StoreUnavailable(
            f"The tables aoi, scene and tile of the store {where} are not those of a Geocube ingester: there is no "
            f"{', '.join(missing[:3])}. They were left as they are: choose another database by store_url."
        )
    return installed


class TablesMissing(StoreUnavailable):
    """The database has no tables of an ingestion."""


def migrate(connection: Connection, where: str) -> None:
    """Add the missing tables and columns, also to an empty database; raise StoreUnavailable if that fails.

    One transaction and an advisory lock make the migration atomic among servers.
    """
    try:
        with connection.transaction():
            connection.execute(_LOCK.encode())
            installed, is_new = _prepare(connection, where)
            for number, script in sorted(_STEPS.items()):
                if number > installed:
                    connection.execute(script.encode())
                    connection.execute(b"INSERT INTO workflow_monitor.schema_version VALUES ($1)", (number,))
                    log.log(
                        logging.INFO if is_new else logging.WARNING,
                        "schema_step_added step=%d store=%s "
                        "undo='workflow-monitor undo-migration'", number, where,
                    )  # fmt: skip
    except IO_ERRORS as error:
        raise to_store_error(where, error, "Its tables were left as they are.") from error


def _prepare(connection: Connection, where: str) -> tuple[int, bool]:
    """Return the installed version, and True if the ingester's own tables had to be created."""
    try:
        return check(connection, where), False
    except TablesMissing:
        connection.execute(_SQL["create_tables"].encode())
        return 0, True


def undo(url: str) -> bool:
    """Remove the added tables and columns from a database; return False if there are none.

    The ingester's own tables stay. Attempts, jobs, events, footprints and tags are lost. Raise StoreUnavailable on failure.
    """
    address = ConnectionInfo(url)
    with address.connect() as connection:
        try:
            with connection.transaction():
                connection.execute(_LOCK.encode())
                if version(connection) == 0:
                    return False
                connection.execute(_SQL["undo"].encode())
        except IO_ERRORS as error:
            raise to_store_error(address.text, error, "Nothing was removed.") from error
    return True

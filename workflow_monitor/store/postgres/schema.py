"""What is added to the tables of a Geocube ingester, and taken away again."""

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
#: one server at a time looks at the tables, and changes them
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('workflow_monitor schema', 0))"
_COLUMNS = {
    "aoi": {"id", "status"},
    "scene": {"id", "aoi_id", "status", "message", "source_id", "data", "retry_countdown"},
    "tile": {"id", "scene_id", "status", "message", "prev", "ref", "source_id", "data", "retry_countdown"},
}


def version(connection: Connection) -> int:
    """Which version of what we add is there; 0 if nothing is."""
    if connection.execute(b"SELECT to_regclass('workflow_monitor.schema_version')").fetchall() == [(None,)]:
        return 0
    ((number,),) = connection.execute(b"SELECT max(version) FROM workflow_monitor.schema_version").fetchall()
    return int(number)


def check(connection: Connection, where: str) -> int:
    """The version of what we add, of tables that can be read; StoreUnavailable if they cannot."""
    found = version(connection)
    if found > NEWEST:
        raise StoreUnavailable(
            f"The store {where} has version {found}, which a newer workflow-monitor wrote; this one knows versions up to "
            f"{NEWEST}. Upgrade workflow-monitor, or choose another database by store_url."
        )
    present = {table: set[str]() for table in _COLUMNS}
    for table, column in connection.execute(_SQL["find_columns"].encode()).fetchall():
        present[table].add(column)
    missing = [f"{t}.{c}" for t, columns in _COLUMNS.items() for c in sorted(columns - present[t])]
    if not any(present.values()):
        raise TablesMissing(
            f"The store {where} has no tables of an ingestion, and nothing is added to what is opened read_only."
        )
    if missing:
        raise StoreUnavailable(
            f"The tables aoi, scene and tile of the store {where} are not those of a Geocube ingester: there is no "
            f"{', '.join(missing[:3])}. They were left as they are: choose another database by store_url."
        )
    return found


class TablesMissing(StoreUnavailable):
    """The database is empty, or has other things in it."""


def migrate(connection: Connection, where: str) -> None:
    """Add what is needed to the tables of an ingester, or to an empty database; StoreUnavailable.

    All of it is one transaction, in which nobody else does the same.
    """
    try:
        with connection.transaction():
            connection.execute(_LOCK.encode())
            found, is_new = _prepare(connection, where)
            for number, script in sorted(_STEPS.items()):
                if number > found:
                    connection.execute(script.encode())
                    connection.execute(b"INSERT INTO workflow_monitor.schema_version VALUES ($1)", (number,))
                    log.log(
                        logging.INFO if is_new else logging.WARNING,
                        "Step %d of what Workflow Monitor needs was added to the tables of the store %s; "
                        "`workflow-monitor undo-migration` takes it away.", number, where,
                    )  # fmt: skip
    except IO_ERRORS as error:
        raise to_store_error(where, error, "Its tables were left as they are.") from error


def _prepare(connection: Connection, where: str) -> tuple[int, bool]:
    """The version of what is there, and whether the ingester's own tables had to be made first."""
    try:
        return check(connection, where), False
    except TablesMissing:
        connection.execute(_SQL["create_tables"].encode())
        return 0, True


def undo(url: str) -> bool:
    """Take away what we have added to a database; False if there is nothing. The ingester's own tables stay.

    Attempts, jobs, the log of events, footprints and tags are lost with it. Raises StoreUnavailable.
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
            raise to_store_error(address.text, error, "Nothing was taken away.") from error
    return True

"""Writing to the database, where others write too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from workflow_monitor.domain.errors import FieldError, InvalidInput, quoted
from workflow_monitor.domain.model import AOI, Event
from workflow_monitor.domain.neighbourhood import Changes
from workflow_monitor.store.postgres.aois import NotesToDatabase
from workflow_monitor.store.postgres.turn import WriterConnection
from workflow_monitor.store.protocol import Payloads
from workflow_monitor.store.writer import SQLWriter

#: bytes of a name that an index of PostgreSQL holds in any case
LONGEST_NAME = 2_600


class PostgresWriter(SQLWriter):
    """The write side of the store; see `store.protocol.Writer`."""

    def __init__(self, connection: WriterConnection) -> None:
        super().__init__(connection, NotesToDatabase(connection))
        self._news = connection

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        """Commit what is done within, on disk, or nothing of it; other servers know whether it has changed something."""
        with super().transaction() as is_outdated:
            yield is_outdated
            if self._has_changed:
                self._news.count()

    def create_aoi(self, number: int, name: str, at: datetime) -> None:
        _check_length("aoi", [name])
        super().create_aoi(number, name, at)

    def log_aoi(self, event: Event) -> None:
        super().log_aoi(event)
        self._news.has_news = True

    def save(self, changes: Changes, payloads: Payloads, aois: Sequence[AOI], at: datetime) -> None:
        _check_length("tiles", (tile.source_id for tile in changes.new_tiles))
        super().save(changes, payloads, aois, at)
        if changes.new_scenes:
            greatest = (
                max((item.id for item in items), default=0) for items in (changes.new_scenes, changes.new_tiles)
            )
            self._run("advance_sequences", *greatest)
        self._news.has_news |= bool(changes.log)


def _check_length(field: str, names: Iterable[str]) -> None:
    """Refuse, with InvalidInput, names that are too long for the indexes that the Geocube ingester's tables have."""
    for name in names:
        length = len(name.encode())
        if length > LONGEST_NAME:
            message = f"{quoted(name)} has {length} bytes; expected at most {LONGEST_NAME} in a PostgreSQL store"
            raise InvalidInput(f"A name is too long: {message}.", [FieldError(field, message)])

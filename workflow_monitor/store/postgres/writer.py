"""The write side of the PostgreSQL store, shared with other servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.models import AOI, Event, Job
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.domain.working_set import ChangeSet
from workflow_monitor.store.interfaces import Payloads
from workflow_monitor.store.item_serializer import ItemSerializer
from workflow_monitor.store.postgres.aoi_queries import AOICounterWriter
from workflow_monitor.store.postgres.writer_connection import WriterConnection
from workflow_monitor.store.writer import SQLWriter

#: largest name in bytes that fits a PostgreSQL index entry
LONGEST_NAME = 2_600


class PostgresWriter(SQLWriter):
    """The write side of the store; see `store.interfaces.Writer`."""

    def __init__(self, connection: WriterConnection) -> None:
        super().__init__(connection, AOICounterWriter(connection))
        self._writer_connection = connection
        #: True if jobs are rows of pgq_jobs, too
        self._has_pgq = False

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        """Commit the block durably, or roll all of it back; bump the version that other servers check."""
        with super().transaction() as is_outdated:
            yield is_outdated
            if self._has_changed:
                self._writer_connection.bump_version()

    def create_aoi(self, number: int, name: str, at: datetime) -> None:
        _check_length("aoi", [name])
        super().create_aoi(number, name, at)

    def delete_aoi(self, number: int) -> None:
        if self._has_pgq:
            self._run("withdraw_pgq_of_aoi", number)
        super().delete_aoi(number)

    def log_aoi(self, event: Event) -> None:
        super().log_aoi(event)
        self._writer_connection.should_notify = True

    def save(self, changes: ChangeSet, payloads: Payloads, aois: Sequence[AOI], at: datetime) -> None:
        _check_length("tiles", (tile.source_id for tile in changes.new_tiles))
        super().save(changes, payloads, aois, at)
        if changes.new_scenes:
            greatest = (
                max((item.id for item in items), default=0) for items in (changes.new_scenes, changes.new_tiles)
            )
            self._run("advance_sequences", *greatest)
        self._writer_connection.should_notify |= bool(changes.log)

    # ---- the queue of the Geocube services; see `queues.pgqueue`

    def open_pgq(self) -> None:
        """Use the table pgq_jobs, created on demand."""
        if not self._has_pgq:
            self._writer_connection.prepare("find_pgq_jobs", "create_pgq_jobs")
            self._has_pgq = True

    def publish_pgq(self, queue: ItemKind, name: str, waits: Sequence[str], jobs: Sequence[Job]) -> None:
        """Insert jobs into the table; `waits` are the retry intervals of the workers."""
        messages = ItemSerializer(self._rows_for_services, self._aoi_listener.names).messages(queue, jobs)
        self._run("publish_pgq", name, list(waits), list(messages), list(messages.values()))

    def _rows_for_services(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        return self._rows({"scene_rows": "scene_rows_of_services"}.get(name, name), *values)

    def withdraw_pgq(self, ids: Sequence[int]) -> None:
        """Delete jobs from the table, except those locked by a worker."""
        self._run("withdraw_pgq", list(ids))

    def drain_pgq(self, name: str, limit: int) -> list[bytes]:
        """Delete and return messages of a queue, the oldest first."""
        messages = [bytes(data or b"") for (data,) in self._rows("drain_pgq", name, limit)]
        self._has_changed = self._has_changed or bool(messages)
        return messages


def _check_length(field: str, names: Iterable[str]) -> None:
    """Raise InvalidInput for names too long for the indexes of the Geocube ingester's tables."""
    for name in names:
        length = len(name.encode())
        if length > LONGEST_NAME:
            message = (
                f"{shorten_for_message(name)} has {length} bytes; expected at most {LONGEST_NAME} in a PostgreSQL store"
            )
            raise InvalidInput(f"A name is too long: {message}.", [FieldError(field, message)])

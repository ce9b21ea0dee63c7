"""Hears of what other servers over the same database have committed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.postgres.connection import Connection, ConnectionInfo, first_line

log = logging.getLogger(__name__)

#: seconds after which it looks whether it is to end, and whether the connection is still there
PATIENCE = 1.0
#: seconds between two tries to connect again
PAUSE = 2.0


class Listener:
    """A thread that calls `tell` after others than `own` have committed, and whenever it may have missed that."""

    def __init__(self, address: ConnectionInfo, own: str, tell: Callable[[], None]) -> None:
        self._address = address
        self._own = own
        self._tell = tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workflow-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._address.connect() as connection:
                    self._listen(connection)
            except (psycopg.Error, StoreUnavailable) as error:
                log.warning(
                    "Other servers over the store %s cannot be heard: %s", self._address.text, first_line(error)
                )
                self._ended.wait(PAUSE)
            except Exception:
                log.exception("Nobody could be told of what other servers have committed")
                self._ended.wait(PAUSE)

    def _listen(self, connection: Connection) -> None:
        connection.execute(b"LISTEN workflow_monitor")
        # what was committed before this is not told
        self._tell()
        while not self._ended.is_set():
            others = [
                heard for heard in connection.notifies(timeout=PATIENCE, stop_after=1) if heard.payload != self._own
            ]
            if others:
                self._tell()

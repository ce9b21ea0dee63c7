"""Notifications of the commits of other servers over the same database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

from workflow_monitor.background import RestartingThread
from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store.postgres.connection import Connection, ConnectionInfo, first_line

log = logging.getLogger(__name__)

#: seconds between two checks for `close` and for a lost connection
NOTIFY_TIMEOUT = 1.0
RECONNECT_DELAY = 2.0


class Listener:
    """Thread that calls `callback` after each commit of a writer other than `own_name`, and after each (re)connect."""

    def __init__(self, address: ConnectionInfo, own_name: str, callback: Callable[[], None]) -> None:
        self._address = address
        self._own_name = own_name
        self._callback = callback
        self._thread = RestartingThread("workflow-listener", self._connect_and_listen, RECONNECT_DELAY)

    def close(self) -> None:
        """Stop the thread."""
        self._thread.close()

    def _connect_and_listen(self, closing: threading.Event) -> None:
        try:
            with self._address.connect() as connection:
                self._listen(connection, closing)
        except (psycopg.Error, StoreUnavailable) as error:
            log.warning("listener_disconnected store=%s reason=%s", self._address.text, first_line(error))
            closing.wait(RECONNECT_DELAY)

    def _listen(self, connection: Connection, closing: threading.Event) -> None:
        connection.execute(b"LISTEN workflow_monitor")
        # commits before LISTEN send no notification to this connection
        self._callback()
        while not closing.is_set():
            notifications = list(connection.notifies(timeout=NOTIFY_TIMEOUT, stop_after=1))
            if any(notification.payload != self._own_name for notification in notifications):
                self._callback()

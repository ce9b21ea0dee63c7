"""Publication of committed events of all servers, in the order of the commits."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from workflow_monitor.domain.models import Event
from workflow_monitor.engine.feed import Feed
from workflow_monitor.store.interfaces import Reader

#: events per read of the store
BATCH = 1_000


class EventPublisher:
    """Publisher of committed events, in order of their sequence numbers.

    Events of this server come with their commit. If other servers committed in between, the publisher reads their events
    from the store.
    """

    def __init__(self, reader: Reader, feed: Feed) -> None:
        self._reader = reader
        self._feed = feed
        self._lock = threading.Lock()
        self._last = reader.event_bounds()[1]

    def committed(self, events: Sequence[Event]) -> None:
        """Publish the events of a transaction of this server; the writer thread calls it."""
        with self._lock:
            fresh = [event for event in events if event.seq > self._last]
            if fresh and fresh[0].seq == self._last + 1:
                self._publish(fresh)
            elif fresh:
                self._read()

    def catch_up(self) -> None:
        """Publish the events of other servers after their commit."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        while events := self._reader.events(self._last, None, BATCH):
            self._publish(events)

    def _publish(self, events: Sequence[Event]) -> None:
        self._feed.publish(events)
        self._last = events[-1].seq

"""Passes committed events on to the feed, in the order of the commits, whichever server made them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from workflow_monitor.domain.models import Event
from workflow_monitor.engine.feed import Feed
from workflow_monitor.store.interfaces import Reader

#: events that are read from the store at once
BATCH = 1_000


class EventPublisher:
    """Knows how far the feed has got.

    What this server has committed is passed on as it is. Where others committed before it, the store is read.
    """

    def __init__(self, reader: Reader, feed: Feed) -> None:
        self._reader = reader
        self._feed = feed
        self._lock = threading.Lock()
        self._last = reader.event_bounds()[1]

    def committed(self, events: Sequence[Event]) -> None:
        """Called by the writer thread with the events of each transaction of this server."""
        with self._lock:
            fresh = [event for event in events if event.seq > self._last]
            if fresh and fresh[0].seq == self._last + 1:
                self._publish(fresh)
            elif fresh:
                self._read()

    def catch_up(self) -> None:
        """Called after others have committed."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        while events := self._reader.events(self._last, None, BATCH):
            self._publish(events)

    def _publish(self, events: Sequence[Event]) -> None:
        self._feed.publish(events)
        self._last = events[-1].seq

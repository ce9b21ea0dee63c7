"""Time of leases, which a step of the wall clock must neither end nor extend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from workflow_monitor.store.interfaces import Reader

#: difference between both clocks that counts as a step; smaller ones are corrections of a time service
STEP = timedelta(seconds=1)
#: maximum seconds of a shift of leases, which are a 32-bit integer in the statement
LONGEST_SHIFT = 2**31 - 1


class LeaseClock:
    """Clock that starts at the wall clock and advances with the monotonic clock.

    After a step of the wall clock, `lead` is the size of the step until `adjust` follows it.
    """

    def __init__(self, wall: Callable[[], datetime], elapsed: Callable[[], float]) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._start = wall()
        self._elapsed_at_start = elapsed()

    def now(self) -> datetime:
        """Return the time, UTC."""
        return self._start + timedelta(seconds=self._elapsed() - self._elapsed_at_start)

    def lead(self) -> timedelta:
        """Return the time by which the wall clock is ahead, in whole seconds; zero if it differs by less than STEP."""
        lead = self._wall() - self.now()
        if abs(lead) < STEP:
            return timedelta()
        return timedelta(seconds=round(max(-LONGEST_SHIFT, min(LONGEST_SHIFT, lead.total_seconds()))))

    def adjust(self, lead: timedelta) -> None:
        """Follow a step of the wall clock."""
        self._start += lead


def last_event_time(reader: Reader) -> datetime | None:
    """Return the time of the last event of a store, UTC; None without events."""
    events = reader.events(reader.event_bounds()[1] - 1, None, 1)
    return events[0].time if events else None

"""Time by which history is pruned. A wall clock that is wrong for a moment must not erase the history."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

log = logging.getLogger(__name__)

DAY = 86_400.0
#: seconds that the wall clock may gain on the monotonic clock between two rounds
TOLERANCE = 60.0


class PruneClock:
    """Clock that follows the wall clock, except for a jump ahead.

    After a jump ahead, the time advances with the monotonic clock, so that a round deletes the history of one interval at
    most. It follows the wall clock again after a day, or once the wall clock is corrected. At the start, a wall clock
    more than a day ahead of the last event counts as a jump.
    """

    def __init__(self, wall: Callable[[], datetime], elapsed: Callable[[], float]) -> None:
        self._wall = wall
        self._elapsed = elapsed
        #: the last trusted time, and the monotonic clock at that time; None before the start
        self._trusted: tuple[datetime, float] | None = None
        #: difference of both clocks after a jump, and the monotonic clock at the jump
        self._jump: tuple[timedelta, float] | None = None

    def start(self, last_event: datetime | None) -> None:
        """Trust the wall clock, but at most a day after the last event of the history; a second call has no effect."""
        if self._trusted is None:
            now = self._wall()
            latest = now if last_event is None else last_event + timedelta(seconds=DAY)
            self._trusted = min(now, latest), self._elapsed()

    def now(self) -> datetime:
        """Return the trusted time, UTC, never later than the wall clock."""
        now, elapsed = self._wall(), self._elapsed()
        trusted, trusted_at = self._trusted or (now, elapsed)
        expected = trusted + timedelta(seconds=elapsed - trusted_at)
        if now - expected > timedelta(seconds=TOLERANCE) and not self._has_settled(now, expected, elapsed):
            return expected
        self._jump = None
        self._trusted = now, elapsed
        return now

    def _has_settled(self, now: datetime, expected: datetime, elapsed: float) -> bool:
        """Return True if the wall clock has been steady for a day since its jump; log a new jump."""
        lead = now - expected
        if self._jump is None or abs(lead - self._jump[0]) > timedelta(seconds=TOLERANCE):
            self._jump = lead, elapsed
            log.warning(
                "prune_limited reason=clock_jumped_ahead seconds=%.0f; history is pruned by the former time for a day: "
                "correct the clock, or restart the server if it is right", lead.total_seconds(),
            )  # fmt: skip
        return elapsed - self._jump[1] >= DAY

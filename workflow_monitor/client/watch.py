"""Watch an AOI until it is idle: progress bar, few requests, summary at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_monitor.client.api import Api
from workflow_monitor.client.display import ORDER
from workflow_monitor.client.errors import MonitorError, ServerError, ServerUnreachable
from workflow_monitor.client.hints import hint
from workflow_monitor.client.http import RETRYABLE_STATUSES
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import Status

#: poll interval while the event stream is open and silent
QUIET_SECONDS = 15.0

#: seconds over which the progress bar measures the rate
RATE_WINDOW = 300.0

End = Literal["idle", "timeout", "interrupted"]


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """Changes of an AOI during `watch`, with the overviews before and after.

    `ended` is "idle" (no item is PENDING), "timeout" or "interrupted"; `seconds` is the duration.
    """

    before: AOISummary
    after: AOISummary
    seconds: float
    ended: End

    @property
    def is_done(self) -> bool:
        """True if every scene and tile is DONE or FAILED."""
        return self.after.count(Status.DONE, Status.FAILED) == self.after.count()

    def delta(self, status: Status) -> int:
        """Return the change of the count of scenes and tiles in a status."""
        return self.after.count(status) - self.before.count(status)

    def __repr__(self) -> str:
        return f"<Summary {escape_control_characters(self.after.name)}: {self.ended} after {duration(self.seconds)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401 - IPython's own
        printer.text(repr(self) if cycle else str(self))

    def __str__(self) -> str:
        reasons = {"idle": "no item is PENDING", "timeout": "timed out", "interrupted": "interrupted"}
        counts = ", ".join(
            f"{self.after.count(status):,} {status.lower()}" for status in ORDER if self.after.count(status)
        )
        lines = [
            f"{escape_control_characters(self.after.name)}: {reasons[self.ended]} after {duration(self.seconds)}; {self.after.status}.",
            f"  {counts or 'empty'} (+{self.delta(Status.DONE):,} done, +{self.delta(Status.FAILED):,} failed)",
        ]
        if self.after.count(Status.RETRY):
            first, then = hint("failures", aoi=self.after.name), hint("retry", aoi=self.after.name)
            lines.append(f"  {self.after.count(Status.RETRY):,} need a retry: {first}, then {then}")
        return "\n".join(lines)


@dataclass(slots=True)
class Watcher:
    """Polls the overview of an AOI after each event, and at an interval without events."""

    api: Api
    aoi: str
    interval: float
    timeout: float | None
    #: longest time (seconds) without a response from the server
    patience: float
    #: called with each new overview
    show: Callable[[AOISummary], None]
    _started: float = field(default_factory=time.monotonic)
    _last_response: float = field(default_factory=time.monotonic)
    _event: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    before: AOISummary | None = None
    after: AOISummary | None = None
    _has_events: bool = False

    def poll(self) -> End | None:
        """Poll once; return the reason to end, or None. Raises MonitorError after `patience` seconds without a response."""
        try:
            now = self.api.summary(self.aoi)
        except (ServerUnreachable, ServerError) as error:
            # 429 and 5xx of RETRYABLE_STATUSES occur during a restart
            is_lasting = isinstance(error, ServerError) and error.status not in RETRYABLE_STATUSES
            if is_lasting or self.before is None or time.monotonic() - self._last_response > self.patience:
                raise
        else:
            self._last_response = time.monotonic()
            self.before, self.after = self.before or now, now
            self.show(now)
            if now.is_idle:
                return "idle"
        if self.timeout is not None and time.monotonic() - self._started >= self.timeout:
            return "timeout"
        return None

    def wait(self) -> None:
        """Wait for the interval, then for an event if the stream is open."""
        self._stopped.wait(self._rest(self.interval))
        if self._has_events:
            self._event.wait(self._rest(QUIET_SECONDS))
        self._event.clear()

    def _rest(self, seconds: float) -> float:
        if self.timeout is None:
            return seconds
        return max(0.0, min(seconds, self._started + self.timeout - time.monotonic()))

    def subscribe(self) -> None:
        """Open the event stream, on a server that has one."""
        if self.api.has_events:
            threading.Thread(target=self._subscribe, name="workflow-monitor-watch", daemon=True).start()

    def _subscribe(self) -> None:
        try:
            # The server replays the last event, so no event between poll and subscription is missed.
            for _ in self.api.events(self.aoi, None, QUIET_SECONDS * 2, self._stopped.is_set):
                self._has_events = True
                self._event.set()
        except MonitorError:
            pass
        finally:
            # Without events, wait() falls back to the interval.
            self._has_events = False
            self._event.set()

    def stop(self) -> None:
        """End the subscription at its next line."""
        self._stopped.set()
        self._event.set()

    def summary(self, ended: End) -> Summary:
        """Return the summary since the first poll."""
        if self.before is None or self.after is None:
            now = self.api.summary(self.aoi)
            self.before, self.after = now, now
        return Summary(self.before, self.after, time.monotonic() - self._started, ended)


def watch(watcher: Watcher) -> Summary:
    """Poll until the end or KeyboardInterrupt."""
    ended: End | None = None
    try:
        watcher.subscribe()
        while (ended := watcher.poll()) is None:
            watcher.wait()
    except KeyboardInterrupt:
        ended = "interrupted"
    finally:
        watcher.stop()
    return watcher.summary(ended)


async def watch_async(watcher: Watcher) -> Summary:
    """Poll until the end without blocking the event loop. Cancellable."""
    ended: End | None = None
    try:
        watcher.subscribe()
        while (ended := await asyncio.to_thread(watcher.poll)) is None:
            await asyncio.to_thread(watcher.wait)
    finally:
        watcher.stop()
    return watcher.summary(ended)


class RecentRate:
    """Rate of a growing count over the last `window` seconds.

    >>> rate = RecentRate(window=60)
    >>> for seconds, count in ((0, 6430), (30, 6445), (90, 6505)):
    ...     rate.add(seconds, count)
    >>> rate.per_second
    1.0
    """

    def __init__(self, window: float = RATE_WINDOW) -> None:
        self._window = window
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, seconds: float, count: int) -> None:
        """Add the count at a time. A count that falls, as after a retry of failed items, starts a new measurement."""
        if self._samples and count < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((seconds, count))
        while len(self._samples) > 2 and self._samples[1][0] <= seconds - self._window:
            self._samples.popleft()

    @property
    def per_second(self) -> float:
        """Growth per second; 0 until there are two samples."""
        (first_time, first_count), (last_time, last_count) = self._samples[0], self._samples[-1]
        return (last_count - first_count) / (last_time - first_time) if last_time > first_time else 0.0


class ProgressBar:
    """Progress bar over the scenes and tiles of an AOI, in a notebook or a terminal.

    Rate and remaining time are those of the last minutes. The bar appears with the first overview, because a notebook
    saves the first state of a bar.
    """

    def __init__(self, name: str, visible: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = escape_control_characters(name)
        self._visible = visible
        self._clock = clock
        self._rate = RecentRate()
        self._bar: Any = None

    def show(self, summary: AOISummary) -> None:
        """Update the bar."""
        if not self._visible or not summary.count():
            return
        finished = summary.count(Status.DONE, Status.FAILED)
        self._rate.add(self._clock(), finished)
        if self._bar is None:
            self._bar = self._open(finished, summary.count())
        self._bar.total = summary.count()
        self._bar.n = finished
        waiting = (Status.PENDING, Status.RETRY, Status.FAILED)
        self._bar.set_postfix({status.lower(): summary.count(status) for status in waiting}, refresh=False)
        self._bar.refresh()

    def _open(self, finished: int, total: int) -> Any:  # noqa: ANN401 - a bar for a notebook or a terminal
        from tqdm.auto import tqdm  # noqa: PLC0415 - loads on first use

        rate = self._rate

        class Bar(tqdm):  # type: ignore[type-arg]
            """Bar with the recent rate, from which tqdm derives the remaining time."""

            @property
            def format_dict(self) -> dict[str, Any]:
                return {**super().format_dict, "rate": rate.per_second}

        return Bar(desc=self._name, unit="item", initial=finished, total=total, leave=True)

    def close(self) -> None:
        """Close the bar and keep its last state on screen."""
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """Format seconds in words.

    >>> duration(42.4), duration(3723)
    ('42 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

"""Watch an AOI until it is idle: progress bar, few requests, summary at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from workflow_monitor.client.api import Api
from workflow_monitor.client.display import ORDER
from workflow_monitor.client.errors import MonitorError, ServerError, ServerUnreachable
from workflow_monitor.client.http import RETRYABLE_STATUSES
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import Status

#: poll interval while the event stream is open and silent
QUIET_SECONDS = 15.0

End = Literal["idle", "timeout", "interrupted"]


@dataclass(frozen=True, slots=True)
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
            lines.append(f"  {self.after.count(Status.RETRY):,} need a retry: aoi.failures(), then aoi.retry()")
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


class ProgressBar:
    """Progress bar over the scenes and tiles of an AOI, in a notebook or a terminal."""

    def __init__(self, name: str, visible: bool) -> None:
        from tqdm.auto import tqdm  # noqa: PLC0415 - loads on first use

        self._bar: Any = tqdm(
            desc=escape_control_characters(name), unit="item", total=0, disable=not visible, leave=True
        )

    def show(self, summary: AOISummary) -> None:
        """Update the bar."""
        self._bar.total = summary.count()
        self._bar.n = summary.count(Status.DONE, Status.FAILED)
        waiting = (Status.PENDING, Status.RETRY, Status.FAILED)
        self._bar.set_postfix({status.lower(): summary.count(status) for status in waiting}, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Close the bar and keep its last state on screen."""
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

"""Watching an AOI until nothing moves: a progress bar, few requests, and a summary at the end."""

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

#: How often it is looked, when events say that nothing has happened.
QUIET_SECONDS = 15.0

End = Literal["idle", "timeout", "interrupted"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of an AOI while it was watched.

    `ended` is "idle" (nothing is in the hands of a worker any more), "timeout" or "interrupted".
    """

    before: AOISummary
    after: AOISummary
    seconds: float
    ended: End

    @property
    def is_done(self) -> bool:
        """Whether everything is DONE or FAILED."""
        return self.after.count(Status.DONE, Status.FAILED) == self.after.count()

    def delta(self, status: Status) -> int:
        """How many more scenes and tiles are in a status than at the beginning."""
        return self.after.count(status) - self.before.count(status)

    def __str__(self) -> str:
        why = {"idle": "nothing moves any more", "timeout": "the time is over", "interrupted": "interrupted"}
        told = ", ".join(
            f"{self.after.count(status):,} {status.lower()}" for status in ORDER if self.after.count(status)
        )
        lines = [
            f"{escape_control_characters(self.after.name)}: {why[self.ended]} after {duration(self.seconds)}; {self.after.status}.",
            f"  {told or 'empty'} (+{self.delta(Status.DONE):,} done, +{self.delta(Status.FAILED):,} failed)",
        ]
        if self.after.count(Status.RETRY):
            lines.append(f"  {self.after.count(Status.RETRY):,} wait for a person: aoi.failures(), then aoi.retry()")
        return "\n".join(lines)


@dataclass(slots=True)
class Watcher:
    """Looks at an AOI again and again, when something has happened in it and now and then anyway."""

    api: Api
    aoi: str
    interval: float
    timeout: float | None
    #: how long the server may be away
    patience: float
    #: the bar, and how it is brought up to date
    show: Callable[[AOISummary], None]
    _started: float = field(default_factory=time.monotonic)
    _seen: float = field(default_factory=time.monotonic)
    _wake: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    before: AOISummary | None = None
    after: AOISummary | None = None
    _told: bool = False

    def poll(self) -> End | None:
        """Look once; why it is over, if it is."""
        try:
            now = self.api.summary(self.aoi)
        except (ServerUnreachable, ServerError) as error:
            # one that ends, or that waits for its store, says so for as long as it can
            is_lasting = isinstance(error, ServerError) and error.status not in RETRYABLE_STATUSES
            if is_lasting or self.before is None or time.monotonic() - self._seen > self.patience:
                raise
        else:
            self._seen = time.monotonic()
            self.before, self.after = self.before or now, now
            self.show(now)
            if now.is_idle:
                return "idle"
        if self.timeout is not None and time.monotonic() - self._started >= self.timeout:
            return "timeout"
        return None

    def wait(self) -> None:
        """Wait until it is worth looking again."""
        self._over.wait(self._rest(self.interval))
        if self._told:
            self._wake.wait(self._rest(QUIET_SECONDS))
        self._wake.clear()

    def _rest(self, seconds: float) -> float:
        if self.timeout is None:
            return seconds
        return max(0.0, min(seconds, self._started + self.timeout - time.monotonic()))

    def subscribe(self) -> None:
        """Have events wake us, where the server tells them."""
        if self.api.has_events:
            threading.Thread(target=self._subscribe, name="workflow-monitor-watch", daemon=True).start()

    def _subscribe(self) -> None:
        try:
            # From the last event on, so that nothing falls between looking and listening.
            for _ in self.api.events(self.aoi, None, QUIET_SECONDS * 2, self._over.is_set):
                self._told = True
                self._wake.set()
        except MonitorError:
            pass
        finally:
            # Without events it is looked again at each interval.
            self._told = False
            self._wake.set()

    def stop(self) -> None:
        """Let the listener go when it next hears from the server."""
        self._over.set()
        self._wake.set()

    def summary(self, ended: End) -> Summary:
        """What became of it."""
        if self.before is None or self.after is None:
            now = self.api.summary(self.aoi)
            self.before, self.after = now, now
        return Summary(self.before, self.after, time.monotonic() - self._started, ended)


def watch(watcher: Watcher) -> Summary:
    """Watch until it is over, or a person interrupts."""
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
    """The same while other coroutines run; it can be cancelled."""
    ended: End | None = None
    try:
        watcher.subscribe()
        while (ended := await asyncio.to_thread(watcher.poll)) is None:
            await asyncio.to_thread(watcher.wait)
    finally:
        watcher.stop()
    return watcher.summary(ended)


class ProgressBar:
    """A progress bar over the scenes and tiles of an AOI, in a notebook or in a terminal."""

    def __init__(self, name: str, visible: bool) -> None:
        from tqdm.auto import tqdm  # noqa: PLC0415 - only who watches needs it

        self._bar: Any = tqdm(
            desc=escape_control_characters(name), unit="item", total=0, disable=not visible, leave=True
        )

    def show(self, summary: AOISummary) -> None:
        """Bring it up to date."""
        self._bar.total = summary.count()
        self._bar.n = summary.count(Status.DONE, Status.FAILED)
        waiting = (Status.PENDING, Status.RETRY, Status.FAILED)
        self._bar.set_postfix({status.lower(): summary.count(status) for status in waiting}, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """Leave it as it is."""
        self._bar.close()


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(42.4), duration(3723)
    ('42 s', '1 h 2 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

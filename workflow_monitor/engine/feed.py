"""Feed of committed events to event streams."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from workflow_monitor.domain.models import Event

#: buffered events of a slow stream, beyond which it reads them from the store
BUFFERED_EVENTS = 2_000
#: encoded parts that are kept for other streams of the same events
KEPT_PARTS = 64


class Subscription:
    """Subscription of one event stream, bound to its event loop.

    If the bounded buffer overflows, the subscription drops all its events and sets `missed`. The stream then reads the
    events after its last one from the store.
    """

    def __init__(self, aoi: str | None, capacity: int) -> None:
        self.aoi = aoi
        #: True if events were dropped since the last call of `take`
        self.missed = False
        self.closed = False
        self._capacity = capacity
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def offer(self, events: Sequence[Event]) -> None:
        """Buffer the events that match the subscription."""
        matching = events if self.aoi is None else [event for event in events if event.aoi == self.aoi]
        if not matching:
            return
        if len(self._events) + len(matching) > self._capacity:
            self._events.clear()
            self.missed = True
        elif not self.missed:
            self._events.extend(matching)
        self._arrived.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for events or the end of the feed; return False after `seconds` without either."""
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[list[Event], bool]:
        """Return the buffered events in order, and True if earlier ones were dropped."""
        events, missed = list(self._events), self.missed
        self._events.clear()
        self.missed = False
        if not self.closed:
            self._arrived.clear()
        return events, missed

    def end(self) -> None:
        """Mark the end of the feed."""
        self.closed = True
        self._arrived.set()


class Feed:
    """Transfer of committed events from the writer thread to subscriptions in their event loops."""

    def __init__(self, capacity: int = BUFFERED_EVENTS) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._followers: dict[asyncio.AbstractEventLoop, set[Subscription]] = {}
        #: by the AOI that is followed, the first and the last event
        self._parts: OrderedDict[tuple[str | None, int, int], bytes] = OrderedDict()

    def publish(self, events: Sequence[Event]) -> None:
        """Publish committed events; the writer thread calls it, in the order of the commits."""
        if events:
            self._call_in_each_loop(self._deliver, events)

    def subscribe(self, loop: asyncio.AbstractEventLoop, aoi: str | None = None) -> Subscription:
        """Subscribe to all events, or to the events of one AOI, from now on. Call it in the event loop."""
        subscription = Subscription(aoi, self._capacity)
        with self._lock:
            self._followers.setdefault(loop, set()).add(subscription)
        return subscription

    def unsubscribe(self, loop: asyncio.AbstractEventLoop, subscription: Subscription) -> None:
        """Remove a subscription. Call it in its event loop."""
        with self._lock:
            followers = self._followers.get(loop, set())
            followers.discard(subscription)
            if not followers:
                self._followers.pop(loop, None)

    def close(self) -> None:
        """End all subscriptions after the published events."""
        self._call_in_each_loop(self._end)

    def encode_once(
        self, aoi: str | None, events: Sequence[Event], encode: Callable[[Sequence[Event]], bytes]
    ) -> bytes:
        """Return events encoded by `encode`, once for all subscriptions of the same AOI."""
        key = aoi, events[0].seq, events[-1].seq
        with self._lock:
            part = self._parts.get(key)
        if part is None:
            part = encode(events)
            with self._lock:
                self._parts[key] = part
                if len(self._parts) > KEPT_PARTS:
                    self._parts.popitem(last=False)
        return part

    @property
    def followers(self) -> int:
        """Count of subscriptions."""
        with self._lock:
            return sum(map(len, self._followers.values()))

    def _call_in_each_loop(self, function: Callable[..., None], *arguments: object) -> None:
        with self._lock:
            loops = list(self._followers)
        for loop in loops:
            try:
                loop.call_soon_threadsafe(function, loop, *arguments)
            except RuntimeError:
                # The loop was closed without goodbye.
                with self._lock:
                    self._followers.pop(loop, None)

    def _deliver(self, loop: asyncio.AbstractEventLoop, events: Sequence[Event]) -> None:
        with self._lock:
            followers = list(self._followers.get(loop, ()))
        for follower in followers:
            follower.offer(events)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            followers = self._followers.pop(loop, set())
        for follower in followers:
            follower.end()

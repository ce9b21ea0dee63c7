"""The feed: committed events, as they happen, to whoever follows them."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from workflow_monitor.domain.models import Event

#: How many events wait for a slow follower before it is told to read them from the store instead.
BUFFERED_EVENTS = 2_000
#: How many encoded parts of the feed are kept for others who follow the same events.
KEPT_PARTS = 64


class Subscription:
    """The events of one follower. It lives in the event loop that it was made for.

    What does not fit into its bounded buffer is dropped, all of it, and `missed` says so: the
    follower then reads from the store what came after the last event that it has seen.
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
        """Add those of the events that concern this follower."""
        wanted = events if self.aoi is None else [event for event in events if event.aoi == self.aoi]
        if not wanted:
            return
        if len(self._events) + len(wanted) > self._capacity:
            self._events.clear()
            self.missed = True
        elif not self.missed:
            self._events.extend(wanted)
        self._arrived.set()

    async def wait(self, seconds: float) -> bool:
        """True as soon as there is something to take (or the feed is closed), False after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[list[Event], bool]:
        """The events that have arrived, in order, and whether others were dropped before them."""
        events, missed = list(self._events), self.missed
        self._events.clear()
        self.missed = False
        if not self.closed:
            self._arrived.clear()
        return events, missed

    def end(self) -> None:
        """Let the follower know that no more will come."""
        self.closed = True
        self._arrived.set()


class Feed:
    """Hands committed events from the writer thread to the followers in their event loops."""

    def __init__(self, capacity: int = BUFFERED_EVENTS) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._followers: dict[asyncio.AbstractEventLoop, set[Subscription]] = {}
        #: by the AOI that is followed, the first and the last event
        self._parts: OrderedDict[tuple[str | None, int, int], bytes] = OrderedDict()

    def publish(self, events: Sequence[Event]) -> None:
        """Pass on events that have been committed; called by the writer thread, in the order of the commits."""
        if events:
            self._call_in_each_loop(self._deliver, events)

    def subscribe(self, loop: asyncio.AbstractEventLoop, aoi: str | None = None) -> Subscription:
        """Follow all events, or those of an AOI, from now on; call it in the loop."""
        subscription = Subscription(aoi, self._capacity)
        with self._lock:
            self._followers.setdefault(loop, set()).add(subscription)
        return subscription

    def unsubscribe(self, loop: asyncio.AbstractEventLoop, subscription: Subscription) -> None:
        """Follow no longer; call it in the loop."""
        with self._lock:
            followers = self._followers.get(loop, set())
            followers.discard(subscription)
            if not followers:
                self._followers.pop(loop, None)

    def close(self) -> None:
        """Let all the followers know that no more will come than what was published."""
        self._call_in_each_loop(self._end)

    def encode_once(
        self, aoi: str | None, events: Sequence[Event], encode: Callable[[Sequence[Event]], bytes]
    ) -> bytes:
        """What `encode` makes of events that have arrived, made once for all who follow the same AOI."""
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
        """How many follow."""
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

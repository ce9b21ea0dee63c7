"""Events: the live stream and the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing

from tornado.iostream import StreamClosedError

from workflow_monitor.documents.media_types import EVENTS
from workflow_monitor.domain.errors import AOINotFound, FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.engine.feed import Subscription
from workflow_monitor.engine.queries import Queries
from workflow_monitor.server.engine_manager import Engine
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read
from workflow_monitor.server.handlers.params import parse_datetime, parse_item_id, parse_status
from workflow_monitor.server.negotiation import AS_JSON, AS_NDJSON
from workflow_monitor.server.serialization import event_json

#: number of events per read from the store
BATCH = 1_000
KEEP_ALIVE = b": keep-alive\n\n"
#: event on which a client loads the state again, because the stream cannot resume from its last event
RESYNC = "event: resync\nid: {}\ndata: {{}}\n\n"
#: reconnection delay of browsers, in milliseconds
GREETING = b"retry: 2000\n\n"


class Events(Handler):
    """Stream of transitions as server-sent events, of all AOIs or of one."""

    upstream_read_timeout = 60.0
    _track_activity = False

    @requires_read
    async def get(self, aoi: str | None = None) -> None:
        after = self._resumed_after()
        engine = await self.backend.engine()
        if aoi is not None and not await self.backend.run(engine.queries.has_aoi, aoi):
            raise AOINotFound(aoi)
        self.set_header("Content-Type", EVENTS)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")
        if self.request.method == "HEAD":
            await self.finish_head()
            return
        with self.backend.streaming():
            loop = asyncio.get_running_loop()
            subscription = engine.feed.subscribe(loop, aoi)
            try:
                await self._stream(engine, subscription, after)
            except (StreamClosedError, TimeoutError):
                self.log.debug("stream_aborted path=%s reason=client_gone_or_slow", self.request.path)
                self.abort()
            finally:
                engine.feed.unsubscribe(loop, subscription)

    def _resumed_after(self) -> int | None:
        for name, text in (
            ("Last-Event-ID", self.request.headers.get("Last-Event-ID")),
            ("after", self.str_arg("after")),
        ):
            if text is None or text == "":
                continue
            if text.isascii() and text.isdecimal() and len(text) <= 18:
                return int(text)
            message = f"found {shorten_for_message(text)}, expected the sequence number of an event"
            raise InvalidInput(f"{name} is not the sequence number of an event.", [FieldError(name, message)])
        return None

    async def _stream(self, engine: Engine, subscription: Subscription, after: int | None) -> None:
        async with aclosing(self._parts(engine, subscription, after)) as parts:
            async for part in parts:
                await self._send(part)

    async def _send(self, part: bytes) -> None:
        self.write(part)
        async with asyncio.timeout(self.backend.limits.slow_reader):
            await self.flush()

    async def _parts(self, engine: Engine, subscription: Subscription, after: int | None) -> AsyncGenerator[bytes]:
        """Yield the stored events after `after`, then the events of the feed, without gaps or duplicates."""
        queries = engine.queries
        oldest, newest = await self.backend.run(lambda: (queries.oldest_event(), queries.newest_event()))
        last, greeting = (newest if after is None else after), GREETING
        if last > newest or 0 < last < oldest - 1:
            # The client has the number of another store, or the next events have been pruned.
            last = min(last, newest)
            greeting += RESYNC.format(last).encode()
        # The start of the stream must be fixed first: the client relies on every event after the greeting.
        yield greeting
        missed = after is not None
        while True:
            if missed:
                async for events in self._stored(queries, subscription.aoi, last):
                    last = events[-1].seq
                    yield _encode(events)
            if not await subscription.wait(self.backend.limits.keep_alive):
                yield KEEP_ALIVE
            arrived, missed = subscription.take()
            fresh = [] if missed else [event for event in arrived if event.seq > last]
            if fresh:
                last = fresh[-1].seq
                yield engine.feed.encode_once(subscription.aoi, fresh, _encode)
            if subscription.closed:
                return

    async def _stored(self, queries: Queries, aoi: str | None, last: int) -> AsyncIterator[list[Event]]:
        while events := await self.backend.run(queries.events, last, aoi, BATCH):
            last = events[-1].seq
            yield events


class History(Handler):
    """List of the transitions of an AOI."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        kind, item = self._item()
        filters = {
            "since": parse_datetime("since", self.str_arg("since")),
            "until": parse_datetime("until", self.str_arg("until")),
            "kind": kind,
            "item": item,
            "status": parse_status(self.str_arg("status")),
            "page": self.page(),
        }
        form = self.negotiate(AS_JSON, AS_NDJSON)
        queries = await self.queries()
        chunks = await self.backend.run(lambda: queries.history(aoi, **filters))  # type: ignore[arg-type]
        await self.write_list(([event_json(event) for event in chunk] for chunk in chunks), form)

    def _item(self) -> tuple[str | None, int | None]:
        kind, item = self.str_arg("type"), self.str_arg("id")
        if kind not in (None, "aoi", *ItemKind):
            message = f"found {shorten_for_message(kind)}, expected scene, tile or aoi"
            raise InvalidInput("The type of items is not valid.", [FieldError("type", message)])
        if item is None:
            return kind, None
        if kind is None or kind == "aoi":
            raise InvalidInput(
                "An id needs the type scene or tile.", [FieldError("type", "is missing; expected scene or tile")]
            )
        return kind, parse_item_id(item, ItemKind(kind))


def _encode(events: Iterable[Event]) -> bytes:
    return "".join(f"id: {event.seq}\nevent: transition\ndata: {event_json(event)}\n\n" for event in events).encode()

"""The feed: from the writer's thread to followers in their loops, bounded."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime

from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import Cause
from workflow_monitor.engine.feed import Feed, Subscription


def event(seq: int, aoi: str = "Fyn") -> Event:
    return Event(seq, datetime(2022, 1, 4), aoi, "aoi", 1, None, None, Cause.CREATE, "tester")  # noqa: DTZ001


def seqs(subscription: Subscription) -> list[int]:
    return [one.seq for one in subscription.take()[0]]


def publish(feed: Feed, *events: Event) -> None:
    """As the writer does: from another thread."""
    thread = threading.Thread(target=feed.publish, args=[events])
    thread.start()
    thread.join()


def test_events_arrive_in_order_at_those_whom_they_concern() -> None:
    async def follow() -> None:
        feed, loop = Feed(), asyncio.get_running_loop()
        everything, of_als = feed.subscribe(loop), feed.subscribe(loop, "Als")
        publish(feed, event(1), event(2, "Als"))
        publish(feed, event(3))
        publish(feed)
        assert await everything.wait(5)
        await asyncio.sleep(0)
        assert seqs(everything) == [1, 2, 3]
        assert seqs(of_als) == [2]
        assert not await everything.wait(0.01)

    asyncio.run(follow())


def test_overflow_is_dropped_and_reported() -> None:
    async def follow() -> None:
        feed, loop = Feed(capacity=3), asyncio.get_running_loop()
        follower = feed.subscribe(loop)
        publish(feed, event(1), event(2))
        publish(feed, event(3), event(4))
        publish(feed, event(5))
        await asyncio.sleep(0)
        assert await follower.wait(5)
        assert follower.take() == ([], True)
        publish(feed, event(6))
        assert await follower.wait(5)
        assert follower.take() == ([event(6)], False)

    asyncio.run(follow())


def test_closed_subscription_receives_nothing() -> None:
    async def follow() -> None:
        feed, loop = Feed(), asyncio.get_running_loop()
        follower = feed.subscribe(loop)
        assert feed.followers == 1
        feed.unsubscribe(loop, follower)
        feed.unsubscribe(loop, follower)
        assert feed.followers == 0
        publish(feed, event(1))
        assert not await follower.wait(0.01)

    asyncio.run(follow())


def test_close_wakes_followers_and_marks_them_closed() -> None:
    async def follow() -> None:
        feed, loop = Feed(), asyncio.get_running_loop()
        follower = feed.subscribe(loop)
        publish(feed, event(1))
        feed.close()
        await asyncio.sleep(0)
        assert await follower.wait(5)
        assert seqs(follower) == [1]
        assert follower.closed
        assert await follower.wait(5)

    asyncio.run(follow())


def test_a_loop_that_has_ended_is_forgotten() -> None:
    feed = Feed()

    async def subscribe() -> None:
        feed.subscribe(asyncio.get_running_loop())

    asyncio.run(subscribe())
    feed.publish([event(1)])
    assert feed.followers == 0
    asyncio.run(subscribe())
    feed.close()

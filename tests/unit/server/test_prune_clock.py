"""History is pruned by a time that a wrong wall clock does not move ahead."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workflow_monitor.server.prune_clock import PruneClock
from workflow_monitor.testing.engine_harness import START, Clock

HOUR, DAY = 3_600, 86_400


def at(seconds: float) -> object:
    return START + timedelta(seconds=seconds)


@pytest.fixture
def wall() -> Clock:
    return Clock()


@pytest.fixture
def clock(wall: Clock) -> PruneClock:
    clock = PruneClock(wall, wall.elapsed)
    clock.start(START)
    return clock


def test_the_time_follows_a_steady_clock(wall: Clock, clock: PruneClock) -> None:
    for hour in range(50):
        wall.seconds = hour * HOUR
        assert clock.now() == at(hour * HOUR)


def test_small_corrections_are_followed(wall: Clock, clock: PruneClock, caplog: pytest.LogCaptureFixture) -> None:
    for hour in range(1, 50):
        wall.seconds, wall.step = hour * HOUR, timedelta(seconds=50 * hour)
        assert clock.now() == at(hour * HOUR + 50 * hour)
    assert caplog.text == ""


def test_a_jump_ahead_advances_the_time_by_one_interval(
    wall: Clock, clock: PruneClock, caplog: pytest.LogCaptureFixture
) -> None:
    wall.seconds, wall.step = HOUR, timedelta(days=400)
    assert clock.now() == at(HOUR)
    assert f"prune_limited reason=clock_jumped_ahead seconds={400 * DAY}" in caplog.text
    wall.seconds, wall.step = 2 * HOUR, timedelta()
    assert clock.now() == at(2 * HOUR)


def test_a_jump_ahead_is_accepted_after_a_day(wall: Clock, clock: PruneClock, caplog: pytest.LogCaptureFixture) -> None:
    wall.step = timedelta(days=30)
    for hour in range(1, 25):
        wall.seconds = hour * HOUR
        assert clock.now() == at(hour * HOUR)
    wall.seconds = 25 * HOUR
    assert clock.now() == at(25 * HOUR + 30 * DAY)
    assert caplog.text.count("prune_limited") == 1


def test_another_jump_begins_another_day(wall: Clock, clock: PruneClock) -> None:
    wall.step = timedelta(days=30)
    clock.now()
    wall.seconds, wall.step = 23 * HOUR, timedelta(days=400)
    assert clock.now() == at(23 * HOUR)
    wall.seconds = 25 * HOUR
    assert clock.now() == at(25 * HOUR)


def test_a_clock_set_back_is_followed(wall: Clock, clock: PruneClock) -> None:
    wall.seconds, wall.step = HOUR, timedelta(days=-10)
    assert clock.now() == at(HOUR - 10 * DAY)


def test_a_start_far_after_the_last_event_counts_as_a_jump(wall: Clock) -> None:
    wall.step = timedelta(days=400)
    clock = PruneClock(wall, wall.elapsed)
    clock.start(START)
    assert clock.now() == at(DAY)
    wall.seconds = DAY
    assert clock.now() == at(401 * DAY)


def test_an_empty_history_has_no_last_event(wall: Clock) -> None:
    clock = PruneClock(wall, wall.elapsed)
    clock.start(None)
    assert clock.now() == START

"""Steps of the wall clock change no lease, and erase no history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.engine_harness import Running, running
from tests.reference_model import NewScene
from workflow_monitor.domain.commands import CreateAOI, ExpireLeases, LeaseJobs, PruneHistory, RenewLease, RenewLeases
from workflow_monitor.domain.errors import LeaseNotFound
from workflow_monitor.domain.models import LeasedJob
from workflow_monitor.testing.engine_harness import START

AOI = "Fyn"
STEPS = [timedelta(hours=2), timedelta(days=-1), timedelta(days=400), timedelta(days=-400)]


@pytest.fixture
def engine() -> Iterator[Running]:
    with running() as engine:
        engine.do(CreateAOI(AOI))
        engine.ingest(AOI, *[NewScene(f"s{index}", 1, {"T": None}) for index in range(3)])
        yield engine


def lease(engine: Running, seconds: float = 100) -> LeasedJob:
    jobs: list[LeasedJob] = engine.do(LeaseJobs("downloader", 1, seconds, "w"))
    return jobs[0]


def expired(engine: Running) -> Any:
    return engine.do(ExpireLeases())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_neither_ends_nor_extends_a_lease(engine: Running, step: timedelta) -> None:
    lease(engine)
    renewed = lease(engine)
    engine.clock.seconds, engine.clock.step = 50, step
    assert expired(engine) == 0
    until = START + step + timedelta(seconds=150)
    assert engine.do(RenewLease("downloader", renewed.lease, 100)) == until
    engine.clock.seconds = 99
    assert expired(engine) == 0
    engine.clock.seconds = 101
    assert expired(engine) == 1
    engine.clock.seconds = 151
    assert expired(engine) == 1


@pytest.mark.parametrize("step", STEPS)
def test_the_stored_expiry_follows_the_wall_clock(engine: Running, step: timedelta) -> None:
    lease(engine)
    engine.clock.seconds, engine.clock.step = 50, step
    assert lease(engine).expires == START + step + timedelta(seconds=150)
    engine.restart()
    assert expired(engine) == 0
    engine.clock.seconds = 101
    assert expired(engine) == 1


def test_a_step_and_its_correction_change_nothing(engine: Running) -> None:
    job = lease(engine)
    for seconds, days in ((10, 400), (15, 0), (20, -3), (25, 0)):
        engine.clock.seconds, engine.clock.step = seconds, timedelta(days=days)
        assert expired(engine) == 0
    engine.clock.seconds = 99
    assert engine.do(RenewLeases("downloader", [job.lease], 100)) == []
    engine.clock.seconds = 200
    with pytest.raises(LeaseNotFound):
        engine.do(RenewLease("downloader", job.lease, 100))


def test_a_lease_does_not_outlast_a_clock_set_back_during_downtime(engine: Running) -> None:
    engine.clock.seconds = 10
    lease(engine)
    engine.do(CreateAOI("last event"))
    engine.clock.step = timedelta(days=-1)
    engine.restart()
    engine.clock.seconds = 109
    assert expired(engine) == 0
    engine.clock.seconds = 111
    assert expired(engine) == 1


def test_a_stored_lease_is_bounded_at_the_start(engine: Running) -> None:
    lease(engine, seconds=10 * 86_400)
    engine.restart()
    engine.clock.seconds = 86_400
    assert expired(engine) == 1


def test_history_is_pruned_by_the_earlier_of_both_times(engine: Running) -> None:
    def prune(now: datetime | None) -> int:
        engine.do(PruneHistory(0, 365 * 86_400.0, now))
        return len(engine.events())

    engine.clock.step = timedelta(days=400)
    before = len(engine.events())
    assert prune(START) == before > 0
    assert prune(None) == 0

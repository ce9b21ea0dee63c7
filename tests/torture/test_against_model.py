"""The engine agrees with the reference model on random walks, one command at a time and in batches.

Between two steps, results may arrive again, late, out of order or from workers without a lease, the engine may restart, and
a transaction may fail. A run has 300 walks of 56 steps; `make torture` has a million steps in parallel parts. Hypothesis
prints a failing walk as steps of `tests.strategies`, with a `@reproduce_failure` line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.engine_harness import Running, Snapshot, differences, running, snapshot_of
from tests.scale import effort
from tests.strategies import (
    AOIS,
    SECONDS,
    Create,
    Expected,
    Finish,
    Grow,
    LeaseStep,
    NewTile,
    Nothing,
    Restart,
    Step,
    Uncommitted,
    Wait,
    Walk,
    moments,
    same,
    steps,
)
from workflow_monitor.domain.commands import ExpireLeases, LeaseJobs
from workflow_monitor.domain.errors import StoreUnavailable, WorkflowError
from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import ItemKind, Status

SEQUENCES = effort(300, 21_000)
#: walks per test: the memory of Hypothesis slows longer tests down
PARTS = max(1, SEQUENCES // 125)
#: some steps are Nothing
LENGTH = 56

#: most walks start from a chain
FIRST: list[Step] = [
    Create(AOIS[0]),
    Grow(AOIS[0], [(n, 1, [NewTile(place, "chain", 0, 0) for place in ("A44_IW1_8951", "T32UNG")]) for n in range(3)]),
]
thorough = settings(
    max_examples=SEQUENCES // PARTS,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def answer(future: Future[Any]) -> object:
    """Return the result of a command, or its error."""
    error = future.exception(60)
    if error is None:
        return future.result()
    assert isinstance(error, WorkflowError), error
    return error


def check(result: object, expected: Expected) -> None:
    note(f"{expected.command}: {result}")
    if isinstance(result, WorkflowError):
        assert result.code in expected.codes, f"{expected.command}: {result.detail}"
    else:
        assert not expected.codes, f"{expected.command} must be refused"
        assert same(result, expected), f"{expected.command}: found {result}, expected {expected.answer}"


def check_state(engine: Running, walk: Walk) -> Snapshot:
    snapshot = engine.snapshot()
    assert differences(snapshot, snapshot_of(walk.model)) == []
    return snapshot


def check_links(snapshot: Snapshot) -> None:
    """Check that previous tiles and reference tiles are in the AOI of their tile and not FAILED."""
    for item in snapshot.items.values():
        for end in (item.previous, item.reference):
            if end is not None:
                other = snapshot.items[ItemKind.TILE, end]  # type: ignore[index]
                assert other.aoi == item.aoi
                assert other.status is not Status.FAILED
                assert other.id != item.id


def check_jobs(snapshot: Snapshot) -> None:
    """Check that every PENDING item has exactly one job, leased or queued."""
    pending = sorted(key for key, item in snapshot.items.items() if item.status is Status.PENDING)
    assert sorted((job.kind, job.item) for job in snapshot.current) == pending


def check_events(snapshot: Snapshot, events: Sequence[Event]) -> None:
    """Check that each event of an item continues the previous one, and that the last one equals the present state."""
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    last: dict[tuple[str, int], Event] = {}
    for event in events:
        if event.type != "aoi":
            before = last.get((event.type, event.id))
            assert event.before == (before.after if before else None)
            last[event.type, event.id] = event
    assert set(last) == set(snapshot.items)
    for key, event in last.items():
        item = snapshot.items[key]  # type: ignore[index]
        assert (event.after, event.attempt, event.retries_left) == (item.status, item.attempt, item.countdown)
        assert (event.previous, event.reference, event.aoi) == (item.previous, item.reference, item.aoi)


#: limit above the length of any queue
ALL = 100


def drain(engine: Running, walk: Walk) -> Snapshot:
    """Lease and finish all jobs until none is left. In each round, the first leases expire and their jobs are leased again."""
    while True:
        count = len(walk.leased)
        go(engine, walk, [LeaseStep(kind, ALL) for kind in ItemKind])
        go(engine, walk, [Wait(2 * SECONDS), *(LeaseStep(kind, ALL) for kind in ItemKind)])
        if len(walk.leased) == count:
            break
        go(engine, walk, [Finish(index, Status.DONE) for index in range(len(walk.model.current()))])
    snapshot = check_state(engine, walk)
    assert Status.PENDING not in {item.status for item in snapshot.items.values()}
    return snapshot


@pytest.mark.torture
@pytest.mark.timeout(effort(300, 14_400))
@pytest.mark.parametrize("part", range(PARTS))
def test_engine_does_what_the_model_does(part: int, record_property: Callable[[str, object], None]) -> None:
    steps_gone = Counter[str]()

    @thorough
    @given(
        st.lists(steps, min_size=LENGTH - len(FIRST), max_size=LENGTH - len(FIRST)),
        st.lists(st.integers(10, 30), min_size=1, max_size=4),
        st.sampled_from([False] * 4 + [True]),
    )
    def follow(rest: list[Step], groups: list[int], to_the_end: bool) -> None:
        todo = [*FIRST, *rest]
        with running() as engine:
            walk = Walk()
            while todo:
                groups.append(groups.pop(0))
                group, todo = todo[: groups[-1]], todo[groups[-1] :]
                go(engine, walk, group)
                snapshot = check_state(engine, walk)
                check_links(snapshot)
                check_jobs(snapshot)
            if to_the_end:
                snapshot = drain(engine, walk)
            check_events(snapshot, engine.events())
        steps_gone.update(type(step).__name__ for step in [*FIRST, *rest] if not isinstance(step, Nothing))

    follow()
    record_property("steps", steps_gone.total())
    record_property("of these", dict(steps_gone))


def go(engine: Running, walk: Walk, group: Sequence[Step]) -> None:
    """Submit commands without waiting, except at faults and time steps; leases end a batch, and only leases follow them."""
    sent: list[tuple[Future[Any], Expected]] = []
    fault: Uncommitted | None = None
    for step in group:
        if isinstance(step, Restart | Uncommitted):
            settle(sent)
            fault = step if isinstance(step, Uncommitted) else fault
            if isinstance(step, Restart):
                engine.restart()
        time = walk.now
        expected = walk.take(step)
        is_after_leases = bool(sent) and isinstance(sent[-1][1].command, LeaseJobs) and not isinstance(step, LeaseStep)
        if walk.now > time or is_after_leases:
            settle(sent)
            engine.clock.seconds = walk.now
        if fault is not None and expected is not None:
            lose(engine, expected, fault)
            fault = None
        if expected is not None:
            sent.append((engine.send(expected.command), expected))
    settle(sent)


def lose(engine: Running, expected: Expected, fault: Uncommitted) -> None:
    """RepairStep for something that cannot be committed, which the model has done already, and see that it leaves no event."""
    events = engine.events()
    error = RuntimeError("a fault of the tests") if fault.is_strange else StoreUnavailable("The disk is full.")
    assert engine.fail(expected.command, error) is error
    if not isinstance(expected.command, ExpireLeases):  # which the engine may see to by itself
        assert engine.events() == events


def settle(sent: list[tuple[Future[Any], Expected]]) -> None:
    for future, expected in sent:
        check(answer(future), expected)
    sent.clear()


@settings(thorough, max_examples=effort(40, 2_000))
@given(st.lists(moments, min_size=LENGTH - len(FIRST), max_size=LENGTH - len(FIRST)))
def test_one_batch_is_as_one_by_one(rest: list[Step]) -> None:
    walk = Walk()
    in_order = sorted((*FIRST, *rest), key=lambda step: isinstance(step, LeaseStep))
    expected = [what for step in in_order if (what := walk.take(step))]
    with running() as engine:
        with engine.clock.holding():
            engine.send(LeaseJobs("downloader", 0, 1, ""))  # at which the writer waits for the clock
            futures = [engine.send(what.command) for what in expected]
        settle(list(zip(futures, expected, strict=True)))
        at_once, events_at_once = check_state(engine, walk), engine.events()
    with running() as engine:
        for what in expected:
            settle([(engine.send(what.command), what)])
        one_by_one, events = engine.snapshot(), engine.events()
    assert at_once == one_by_one
    assert events_at_once == events

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.timeline import TimeRange, TransitionCount, timeline

START = datetime(2022, 1, 4, tzinfo=UTC)


def span(steps: int) -> TimeRange:
    return TimeRange(START, START + timedelta(minutes=steps), steps)


def test_a_step_is_a_part_of_the_span() -> None:
    assert span(4).step == timedelta(minutes=1)


def test_numbers_at_the_end_of_each_step() -> None:
    flows = [
        TransitionCount(0, ItemKind.SCENE, None, Status.PENDING, 3),
        TransitionCount(1, ItemKind.SCENE, Status.PENDING, Status.DONE, 2),
        TransitionCount(3, ItemKind.SCENE, Status.PENDING, Status.RETRY, 1),  # after the end
    ]
    now = {ItemKind.SCENE: Counter({Status.DONE: 2, Status.RETRY: 1}), ItemKind.TILE: Counter[Status]()}
    found = timeline(span(3), now, flows)
    scenes = found.counts[ItemKind.SCENE]
    assert (scenes[Status.PENDING], scenes[Status.DONE], scenes[Status.RETRY]) == ([3, 1, 1], [0, 2, 2], [0, 0, 0])
    assert found.finished == {ItemKind.SCENE: [0, 2, 0], ItemKind.TILE: [0, 0, 0]}


@given(
    before=st.dictionaries(st.sampled_from(Status), st.integers(5, 9)),
    moves=st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, *Status]), st.sampled_from(Status))),
)
def test_going_back_is_as_going_forward(
    before: dict[Status, int], moves: list[tuple[int, Status | None, Status]]
) -> None:
    moves.sort(key=lambda move: move[0])
    current = Counter(before)
    expected: list[dict[Status, int]] = []
    for step in range(5):
        for at, source, target in moves:
            if at == step:
                current[target] += 1
                if source is not None:
                    current[source] -= 1
        expected.append({status: current[status] for status in Status})
    flows = [TransitionCount(at, ItemKind.TILE, source, target, 1) for at, source, target in moves]
    found = timeline(span(4), {ItemKind.SCENE: Counter(), ItemKind.TILE: current}, flows)
    for step in range(4):
        assert {status: found.counts[ItemKind.TILE][status][step] for status in Status} == expected[step]

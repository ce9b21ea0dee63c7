from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.status import Kind, Status
from workflow_monitor.domain.timeline import Flow, Span, timeline

START = datetime(2022, 1, 4, tzinfo=UTC)


def span(steps: int) -> Span:
    return Span(START, START + timedelta(minutes=steps), steps)


def test_a_step_is_a_part_of_the_span() -> None:
    assert span(4).step == timedelta(minutes=1)


def test_numbers_at_the_end_of_each_step() -> None:
    flows = [
        Flow(0, Kind.SCENE, None, Status.PENDING, 3),
        Flow(1, Kind.SCENE, Status.PENDING, Status.DONE, 2),
        Flow(3, Kind.SCENE, Status.PENDING, Status.RETRY, 1),  # after the end
    ]
    now = {Kind.SCENE: Counter({Status.DONE: 2, Status.RETRY: 1}), Kind.TILE: Counter[Status]()}
    found = timeline(span(3), now, flows)
    scenes = found.counts[Kind.SCENE]
    assert (scenes[Status.PENDING], scenes[Status.DONE], scenes[Status.RETRY]) == ([3, 1, 1], [0, 2, 2], [0, 0, 0])
    assert found.finished == {Kind.SCENE: [0, 2, 0], Kind.TILE: [0, 0, 0]}


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
    flows = [Flow(at, Kind.TILE, source, target, 1) for at, source, target in moves]
    found = timeline(span(4), {Kind.SCENE: Counter(), Kind.TILE: current}, flows)
    for step in range(4):
        assert {status: found.counts[Kind.TILE][status][step] for status in Status} == expected[step]

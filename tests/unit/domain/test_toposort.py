import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.toposort import CycleError, topological_sort


def test_without_needs_the_order_is_kept() -> None:
    assert topological_sort(4, {}) == [0, 1, 2, 3]


def test_needed_items_come_first_and_the_others_by_rank() -> None:
    assert topological_sort(4, {0: {3}}, [1, 5, 2, 4]) == [2, 3, 0, 1]


def test_a_cycle_is_reported_with_its_members() -> None:
    with pytest.raises(CycleError) as cycle:
        topological_sort(5, {0: {1}, 1: {2}, 2: {3}, 3: {1}})
    assert sorted(cycle.value.members) == [1, 2, 3]


def test_a_node_that_needs_itself_is_a_cycle() -> None:
    with pytest.raises(CycleError) as cycle:
        topological_sort(2, {1: {1}})
    assert cycle.value.members == [1]


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
    )
)
def test_any_needs_are_met_or_have_a_cycle(case: tuple[int, set[tuple[int, int]]]) -> None:
    count, pairs = case
    needs: dict[int, set[int]] = {}
    for node, other in pairs:
        needs.setdefault(node, set()).add(other)
    try:
        order = topological_sort(count, needs)
    except CycleError as cycle:
        members = list(cycle.members)
        assert all(after in needs[node] for node, after in zip(members, [*members[1:], members[0]], strict=True))
        return
    assert sorted(order) == list(range(count))
    assert all(order.index(other) < order.index(node) for node, other in pairs)

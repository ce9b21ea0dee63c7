"""Failed items are grouped by their message template, and none is lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.failures import FAILURES, FailedItem, group_failures
from workflow_monitor.domain.message_template import message_template
from workflow_monitor.domain.status import ItemKind, Status

NOON = datetime(2022, 1, 4, 12, tzinfo=UTC)


def failures(number: int) -> st.SearchStrategy[FailedItem]:
    return st.builds(
        FailedItem,
        kind=st.sampled_from(list(ItemKind)),
        id=st.just(number),
        status=st.sampled_from(FAILURES),
        message=st.sampled_from(["", "exit status 1", "exit status 2", "tile 1 broke", "tile 2 broke"])
        | st.text(max_size=20),
        since=st.none() | st.integers(0, 100).map(lambda hours: NOON + timedelta(hours=hours)),
    )


@given(st.integers(0, 12).flatmap(lambda number: st.tuples(*map(failures, range(number)))))
def test_every_failure_is_in_one_group(all_of_them: tuple[FailedItem, ...]) -> None:
    groups = group_failures(all_of_them)
    assert sorted(number for group in groups for number in group.ids) == [failure.id for failure in all_of_them]
    assert [group.count for group in groups] == sorted((group.count for group in groups), reverse=True)
    assert len({(group.message_template, group.kind) for group in groups}) == len(groups)
    for group in groups:
        members = [all_of_them[number] for number in group.ids]
        assert {(message_template(member.message), member.kind) for member in members} == {
            (group.message_template, group.kind)
        }
        assert [member.status for member in members] == ["RETRY"] * group.retry + ["FAILED"] * group.failed
        assert group.example == members[0].message
        assert group.retry + group.failed == group.count
        times = [member.since for member in members if member.since]
        assert (group.since, group.last) == ((min(times), max(times)) if times else (None, None))


def test_dates_and_orbits_of_a_group() -> None:
    days = [date(2022, 1, 9), None, date(2022, 1, 4)]
    orbits = ["44", "117", "44"]
    failed = [
        FailedItem(ItemKind.TILE, n, Status.RETRY, "broken", None, day, orbit)
        for n, (day, orbit) in enumerate(zip(days, orbits, strict=True), 1)
    ]
    (group,) = group_failures([*failed, FailedItem(ItemKind.TILE, 4, Status.RETRY, "broken")])
    assert (group.first_acquired, group.last_acquired) == (date(2022, 1, 4), date(2022, 1, 9))
    assert group.orbits == {"44": 2, "117": 1}

"""Failed items are grouped by their message template, and none is lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.failures import FAILURES, FailedItem, FailedScene, failed_with_scene, group_failures
from workflow_monitor.domain.message_template import message_template
from workflow_monitor.domain.status import Cause, ItemKind, Status

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


def test_tiles_that_failed_with_their_scenes_follow_these_scenes() -> None:
    scenes = [FailedScene(scene, Status.FAILED, f"gone since 2022-01-0{scene}: status 410") for scene in (1, 2)]
    items = [FailedItem(ItemKind.SCENE, scene.id, scene.status, scene.message) for scene in scenes]
    items += [FailedItem(ItemKind.TILE, tile, Status.FAILED, "", failed_with=scenes[tile % 2]) for tile in range(9)]
    items += [FailedItem(ItemKind.TILE, 10, Status.RETRY, "exit status 1")]
    of_scenes, of_tiles, alone = group_failures(items)
    assert (of_tiles.message_template, of_tiles.count) == (f"scene failed: {of_scenes.message_template}", 9)
    assert of_tiles.example == scenes[0].message
    assert of_tiles.causes is not None
    assert of_tiles.causes.ids == of_scenes.ids == [1, 2]
    assert of_tiles.label == f"failed with 2 scenes: {of_scenes.message_template}"
    assert of_scenes.causes is alone.causes is None


def test_a_scene_without_a_message_leaves_no_group_without_a_label() -> None:
    tile = FailedItem(ItemKind.TILE, 3, Status.FAILED, "", failed_with=FailedScene(1, Status.RETRY, ""))
    (group,) = group_failures([tile])
    assert (group.message_template, group.label) == ("scene failed", "failed with 1 scene")
    assert group.causes is not None
    assert (group.causes.retry, group.causes.failed) == (1, 0)


def test_tiles_of_a_repaired_scene_have_no_scene_to_retry() -> None:
    tile = FailedItem(ItemKind.TILE, 3, Status.FAILED, "", failed_with=FailedScene(1, Status.DONE, ""))
    (group,) = group_failures([tile])
    assert (group.message_template, group.label, group.causes) == ("scene failed", "scene failed", None)


@pytest.mark.parametrize(
    ("kind", "status", "message", "scene", "cause", "expected"),
    [
        ("tile", "FAILED", "", "FAILED", None, True),
        ("tile", "FAILED", "", "DONE", None, False),
        ("tile", "FAILED", "exit status 1", "FAILED", None, False),
        ("tile", "FAILED", "exit status 1", "DONE", Cause.SCENE_FAILED, True),
        ("tile", "FAILED", "", "FAILED", Cause.FORCE, False),
        ("tile", "RETRY", "", "FAILED", None, False),
        ("scene", "FAILED", "", "FAILED", None, False),
    ],
)
def test_the_cause_of_the_last_failure_decides(
    kind: str, status: str, message: str, scene: str, cause: Cause | None, expected: bool
) -> None:
    item = FailedItem(ItemKind(kind), 1, Status(status), message)
    assert failed_with_scene(item, FailedScene(2, Status(scene), ""), cause) is expected

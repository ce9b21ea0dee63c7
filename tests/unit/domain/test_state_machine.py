"""State machine on a working set filled by hand, without a store."""

from __future__ import annotations

import pytest

from workflow_monitor.domain import state_machine
from workflow_monitor.domain.errors import InvalidTransition
from workflow_monitor.domain.models import Item, Result, Scene, Tile
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, WorkingSet

# "-" is a refusal, "=" an unchanged result; both leave no change. Columns: NEW, PENDING, DONE, RETRY, FAILED.
EXPECTED = {
    "result DONE": "- DONE = DONE -",
    "result RETRY": "- RETRY - = -",
    "result FAILED": "- FAILED - FAILED =",
    "retry": "- - - PENDING -",
    "fail": "- - - FAILED -",
    "force NEW": "NEW NEW NEW NEW NEW",
    "force PENDING": "PENDING PENDING PENDING PENDING PENDING",
    "force DONE": "DONE DONE DONE DONE DONE",
    "force RETRY": "RETRY RETRY RETRY RETRY RETRY",
    "force FAILED": "FAILED FAILED FAILED FAILED FAILED",
}
CELLS = [
    (kind, status, command, after)
    for kind in ItemKind
    for command, row in EXPECTED.items()
    for status, after in zip(Status, row.split(), strict=True)
]


def working_set(scene_status: Status = Status.DONE, tile_status: Status = Status.NEW) -> WorkingSet:
    """Scene 1 with tile 1."""
    graph = WorkingSet(1)
    graph.add_scenes([Scene(1, 1, "s1", scene_status, job=90 if scene_status is Status.PENDING else None)])
    job = 91 if tile_status is Status.PENDING else None
    graph.add_tiles([Tile(1, 1, 1, "t1", status=tile_status, job=job)])
    graph.mark_loaded(NotLoaded(tiles_of={1}, followers_of={1}, referrers_of={1}))
    return graph


def run(graph: WorkingSet, kind: ItemKind, command: str) -> str:
    verb, _, status = command.partition(" ")
    try:
        if verb == "result":
            outcome = state_machine.apply_result(graph, Result(kind=kind, id=1, status=Status(status)))
            return {"applied": "applied", "unchanged": "=", "refused": "-"}[outcome.code]
        if verb == "retry":
            state_machine.retry(graph, kind, 1)
        elif verb == "fail":
            state_machine.fail(graph, kind, 1, by_force=False)
        else:
            state_machine.force(graph, kind, 1, Status(status))
    except InvalidTransition:
        return "-"
    return "applied"


@pytest.mark.parametrize(("kind", "status", "command", "after"), CELLS)
def test_command_in_status(kind: ItemKind, status: Status, command: str, after: str) -> None:
    graph = working_set(status) if kind is ItemKind.SCENE else working_set(Status.DONE, status)
    item: Item | None = graph.item(kind, 1)
    assert item is not None
    code = run(graph, kind, command)
    changes = graph.collect_changes()
    if after in {"-", "="}:
        assert (code, item.status, changes.log, changes.jobs) == (after, status, [], [])
        return
    assert (code, item.status) == ("applied", Status(after))
    assert (changes.log[0].id, changes.log[0].before, changes.log[0].after) == (1, status, Status(after))
    assert changes.withdrawn[:1] == ([90 if kind is ItemKind.SCENE else 91] if status is Status.PENDING else [])
    assert [job.kind for job in changes.jobs if job.kind is kind] == ([kind] if after == "PENDING" else [])


def test_table_has_one_row_per_kind_status_and_trigger() -> None:
    keys = [
        (kind, status, rule.trigger)
        for rule in state_machine.TRANSITIONS
        for kind in rule.kinds
        for status in rule.statuses
    ]
    assert len(keys) == len(set(keys))
    assert {rule.trigger for rule in state_machine.TRANSITIONS} == set(state_machine.Trigger)


def test_missing_neighbours_of_one_scene_are_requested_together() -> None:
    graph = WorkingSet(1)
    graph.add_scenes([Scene(1, 1, "s1")])
    graph.add_tiles([Tile(n, 1, 1, f"t{n}", previous=n + 10) for n in (1, 2, 3)])
    tile = graph.tile(1)
    assert tile is not None
    with pytest.raises(NotLoaded) as request:
        graph.previous_of(tile)
    assert request.value.tiles == {11, 12, 13}
    with pytest.raises(NotLoaded) as request:
        graph.followers_of(tile)
    assert (request.value.followers_of, request.value.referrers_of) == ({1, 2, 3}, {1, 2, 3})

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


def run(graph: WorkingSet, kind: ItemKind, command: str, item_id: int = 1) -> str:
    verb, _, status = command.partition(" ")
    try:
        if verb == "result":
            outcome = state_machine.apply_result(graph, Result(kind=kind, id=item_id, status=Status(status)))
            return {"applied": "applied", "unchanged": "=", "refused": "-"}[outcome.code]
        with graph.savepoint():
            if verb == "retry":
                state_machine.retry(graph, kind, item_id)
            elif verb == "fail":
                state_machine.fail(graph, kind, item_id, by_force=False)
            else:
                state_machine.force(graph, kind, item_id, Status(status))
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


# The tile under test is tile 2 of scene 2. It follows tile 1 of scene 1, its reference; tile 3 of scene 3 follows it.
# Columns: status of tile 2. "closes" relinks tile 3 to tile 1; "starts" dispatches tile 3.
TILE_IN_CHAIN = """
neighbours              | command       | NEW     | PENDING | DONE    | RETRY   | FAILED
scene 2 PENDING         | retry         | -       | -       | -       | -       | -
scene 2 RETRY           | retry         | -       | -       | -       | -       | -
scene 2 FAILED          | retry         | -       | -       | -       | -       | -
scene 2 PENDING         | force PENDING | PENDING | PENDING | PENDING | PENDING | PENDING
tile 1 PENDING          | retry         | -       | -       | -       | -       | -
tile 1 RETRY            | retry         | -       | -       | -       | -       | -
tile 1 NEW              | force PENDING | -       | -       | -       | -       | -
tile 1 FAILED           | force PENDING | -       | -       | -       | -       | -
tile 1 PENDING          | result RETRY  | -       | RETRY   | -       | =       | -
tile 1 FAILED           | fail          | -       | -       | -       | -       | -
tile 1 FAILED           | force FAILED  | -       | -       | -       | -       | -
tile 1 FAILED           | result FAILED | -       | -       | -       | -       | =
scene 1 FAILED          | fail          | -       | -       | -       | -       | -
scene 1 FAILED          | result FAILED | -       | -       | -       | -       | =
tile 3 PENDING          | fail          | -       | -       | -       | -       | -
tile 3 RETRY            | force FAILED  | -       | -       | -       | -       | -
tile 3 DONE             | result FAILED | -       | -       | -       | -       | =
tile 3 NEW              | result DONE   | -       | DONE starts | = | DONE starts | -
tile 3 NEW              | force DONE    | DONE starts | DONE starts | DONE starts | DONE starts | DONE starts
scene 3 PENDING         | result DONE   | -       | DONE    | =       | DONE    | -
tile 3 PENDING          | force DONE    | DONE    | DONE    | DONE    | DONE    | DONE
tile 3 NEW              | fail          | -       | -       | -       | FAILED closes starts | -
tile 3 NEW              | result FAILED | -       | FAILED closes starts | - | FAILED closes starts | =
tile 1 PENDING          | force FAILED  | FAILED closes | FAILED closes | FAILED closes | FAILED closes | FAILED closes
scene 3 RETRY           | result FAILED | -       | FAILED closes | - | FAILED closes | =
"""
# Scene 2 has tile 2 of the same chain. "starts" dispatches tile 2; "closes" fails it and relinks tile 3, which starts.
SCENE_IN_CHAIN = """
neighbours              | command       | NEW     | PENDING | DONE    | RETRY   | FAILED
tile 2 NEW              | result DONE   | -       | DONE starts | = | DONE starts | -
tile 2 NEW              | force DONE    | DONE starts | DONE starts | DONE starts | DONE starts | DONE starts
tile 1 PENDING          | result DONE   | -       | DONE    | =       | DONE    | -
tile 2 DONE             | force DONE    | DONE    | DONE    | DONE    | DONE    | DONE
tile 2 PENDING          | fail          | -       | -       | -       | -       | -
tile 2 DONE             | result FAILED | -       | -       | -       | -       | =
tile 2 RETRY            | force FAILED  | -       | -       | -       | -       | -
tile 2 FAILED           | force FAILED  | -       | -       | -       | -       | -
tile 2 NEW              | fail          | -       | -       | -       | FAILED closes starts | -
tile 2 NEW              | result FAILED | -       | FAILED closes starts | - | FAILED closes starts | =
tile 2 NEW              | force FAILED  | FAILED closes starts | FAILED closes starts | FAILED closes starts | FAILED closes starts | FAILED closes starts
tile 3 PENDING          | fail          | -       | -       | -       | -       | -
tile 1 FAILED           | result FAILED | -       | -       | -       | -       | =
"""


def chain_cells(kind: ItemKind, table: str) -> list[tuple[ItemKind, str, str, Status, list[str]]]:
    rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [
        (kind, neighbour, command, status, outcome.split())
        for neighbour, command, *outcomes in rows[1:]
        for status, outcome in zip(Status, outcomes, strict=True)
    ]


def chain() -> WorkingSet:
    """Three DONE scenes of one tile each; the first tile is DONE, the others are NEW."""
    graph = WorkingSet(1)
    graph.add_scenes([Scene(n, 1, f"s{n}", Status.DONE) for n in (1, 2, 3)])
    tiles = [Tile(1, 1, 1, "t1", status=Status.DONE), Tile(2, 1, 2, "t2"), Tile(3, 1, 3, "t3")]
    for tile, previous in zip(tiles[1:], tiles, strict=False):
        tile.previous, tile.reference = previous.id, 1
    graph.add_tiles(tiles)
    graph.mark_loaded(NotLoaded(tiles_of={1, 2, 3}, followers_of={1, 2, 3}, referrers_of={1, 2, 3}))
    return graph


@pytest.mark.parametrize(
    ("kind", "neighbour", "command", "status", "outcome"),
    [*chain_cells(ItemKind.TILE, TILE_IN_CHAIN), *chain_cells(ItemKind.SCENE, SCENE_IN_CHAIN)],
)
def test_command_among_neighbours(
    kind: ItemKind, neighbour: str, command: str, status: Status, outcome: list[str]
) -> None:
    graph = chain()
    item, other_kind, other_id, other_status = graph.item(kind, 2), *neighbour.split()
    other = graph.item(ItemKind(other_kind), int(other_id))
    assert item is not None
    assert other is not None
    item.status, other.status = status, Status(other_status)
    item.job = 90 if status is Status.PENDING else None
    code = run(graph, kind, command, 2)
    changes = graph.collect_changes()
    if outcome in (["-"], ["="]):
        assert (code, item.status, changes.log, changes.jobs) == (outcome[0], status, [], [])
        return
    after, words = Status(outcome[0]), outcome[1:]
    tile, follower = graph.tile(2), graph.tile(3)
    assert tile is not None
    assert follower is not None
    assert (code, item.status) == ("applied", after)
    assert (follower.previous, tile.previous) == ((1, None) if "closes" in words else (2, 1))
    started = [tile] if kind is ItemKind.SCENE and after is Status.DONE else [follower]
    dispatched = [item] if after is Status.PENDING else started if "starts" in words else []
    assert [(job.kind, job.item) for job in changes.jobs] == [(each.kind, each.id) for each in dispatched]
    assert all(each.status is Status.PENDING for each in dispatched)
    if kind is ItemKind.SCENE and "closes" in words:
        assert tile.status is Status.FAILED


def test_failed_root_passes_its_place_to_the_first_follower() -> None:
    graph = chain()
    assert run(graph, ItemKind.TILE, "force FAILED", 1) == "applied"
    tiles = [tile for n in (1, 2, 3) if (tile := graph.tile(n))]
    assert [tile.previous for tile in tiles] == [None, None, 2]
    assert [tile.reference for tile in tiles] == [None, None, 2]
    assert [tile.status for tile in tiles] == [Status.FAILED, Status.PENDING, Status.NEW]


def test_retry_result_uses_up_retries() -> None:
    graph = chain()
    tile = graph.tile(2)
    assert tile is not None
    tile.status, tile.retries_left = Status.PENDING, 1
    assert run(graph, ItemKind.TILE, "result RETRY", 2) == "applied"
    assert (tile.status, tile.retries_left, tile.attempt) == (Status.PENDING, 0, 1)
    assert run(graph, ItemKind.TILE, "result RETRY", 2) == "applied"
    assert (tile.status, tile.retries_left, tile.attempt) == (Status.RETRY, 0, 1)


def test_retry_result_of_a_tile_whose_previous_is_not_done_is_refused() -> None:
    graph = chain()
    previous, tile = graph.tile(1), graph.tile(2)
    assert previous is not None
    assert tile is not None
    previous.status, tile.status, tile.retries_left = Status.RETRY, Status.PENDING, 1
    assert run(graph, ItemKind.TILE, "result RETRY", 2) == "-"


@pytest.mark.parametrize("status", Status)
def test_expired_lease_requeues_a_current_job_only(status: Status) -> None:
    graph = chain()
    tile = graph.tile(2)
    assert tile is not None
    tile.status, tile.job = status, 90 if status is Status.PENDING else None
    assert state_machine.requeue_expired(graph, ItemKind.TILE, 2, 89) is False
    assert state_machine.requeue_expired(graph, ItemKind.TILE, 2, 90) is (status is Status.PENDING)
    assert tile.attempt == (1 if status is Status.PENDING else 0)


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

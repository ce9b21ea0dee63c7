"""Causes of waiting: once they are resolved, the item starts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain import state_machine
from workflow_monitor.domain.causes import Reason, find_causes
from workflow_monitor.domain.models import Item, Scene, Tile
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, WorkingSet

#: status of each scene and of its tile; tile n follows tile n - 1
CHAINS = st.lists(st.tuples(st.sampled_from(Status), st.sampled_from(Status)), min_size=1, max_size=6)


def chain(statuses: list[tuple[Status, Status]]) -> WorkingSet:
    graph = WorkingSet(1)
    ids = range(1, len(statuses) + 1)
    graph.add_scenes([Scene(n, 1, f"s{n}", scene) for n, (scene, _) in zip(ids, statuses, strict=True)])
    tiles = zip(ids, statuses, strict=True)
    graph.add_tiles([Tile(n, 1, n, "t", previous=n - 1 or None, status=tile) for n, (_, tile) in tiles])
    everything = set(ids)
    graph.mark_loaded(NotLoaded(tiles_of=everything, followers_of=everything, referrers_of=everything))
    return graph


def items_of(graph: WorkingSet, count: int) -> list[Item]:
    found = [graph.item(kind, n) for kind in ItemKind for n in range(1, count + 1)]
    return [item for item in found if item is not None]


def work(graph: WorkingSet, count: int, target: Item) -> None:
    """Let workers complete all jobs, except the job of the target."""
    while pending := [i for i in items_of(graph, count) if i.status is Status.PENDING and i is not target]:
        for item in pending:
            state_machine.force(graph, item.kind, item.id, Status.DONE)


@given(CHAINS)
def test_an_item_starts_once_its_causes_are_resolved(statuses: list[tuple[Status, Status]]) -> None:
    graph = chain(statuses)
    target = graph.tile(len(statuses))
    assert target is not None
    causes = [step.item for step in find_causes(graph, target) if step.reason is not None]
    assert (causes == []) == (target.status is Status.DONE)
    if target.status is not Status.NEW or target in causes:
        assert causes in ([], [target])
        return
    for item in causes:
        state_machine.force(graph, item.kind, item.id, Status.DONE)
    work(graph, len(statuses), target)
    assert graph.item(ItemKind.TILE, target.id).status is Status.PENDING  # type: ignore[union-attr]


@given(CHAINS)
def test_no_cause_is_superfluous(statuses: list[tuple[Status, Status]]) -> None:
    steps = find_causes(chain(statuses), chain(statuses).tile(len(statuses)))  # type: ignore[arg-type]
    for left_out in [step.item for step in steps if step.reason is not None]:
        graph = chain(statuses)
        target = graph.tile(len(statuses))
        assert target is not None
        if target.status is not Status.NEW or (left_out.kind, left_out.id) == (target.kind, target.id):
            return
        for step in steps:
            if step.reason is not None and step.item != left_out:
                state_machine.force(graph, step.item.kind, step.item.id, Status.DONE)
        assert target.status is Status.NEW


def test_each_status_has_a_reason() -> None:
    expected = {
        Status.NEW: Reason.RESET,
        Status.PENDING: Reason.JOB,
        Status.RETRY: Reason.RETRY,
        Status.FAILED: Reason.FAILED,
    }
    for status, reason in expected.items():
        graph = chain([(status, Status.NEW)])
        scene, tile = graph.scene(1), graph.tile(1)
        assert scene is not None
        assert tile is not None
        assert [step.reason for step in find_causes(graph, scene)] == [reason]
        assert [step.reason for step in find_causes(graph, tile)] == [None, reason]
        assert [step.waits_for for step in find_causes(graph, tile)] == [(scene,), ()]

"""Causes of waiting: the items that have to change before an item starts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workflow_monitor.domain.models import Item, Tile
from workflow_monitor.domain.state_machine import Guard, unmet_start_guards
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import WorkingSet


class Reason(StrEnum):
    """Event for which an item waits."""

    #: a worker's result
    JOB = "job"
    #: a retry or a failure by a person
    RETRY = "retry"
    #: a person: FAILED is final
    FAILED = "failed"
    #: a forced status: no event starts the item
    RESET = "reset"


_REASONS = {Status.PENDING: Reason.JOB, Status.RETRY: Reason.RETRY, Status.FAILED: Reason.FAILED}


@dataclass(frozen=True, slots=True)
class Step:
    """An unfinished item, and the items for which it waits; none for a cause."""

    item: Item
    waits_for: tuple[Item, ...]
    #: None for an item that waits for others
    reason: Reason | None


def find_causes(graph: WorkingSet, item: Item) -> list[Step]:
    """Return the unfinished items from an item down to the causes, each once; empty if the item is DONE.

    The item starts once the steps with a reason are DONE and the workers have processed the items between.
    """
    steps: dict[tuple[ItemKind, int], Step] = {}
    waiting = [item]
    while waiting:
        item = waiting.pop()
        if item.status is Status.DONE or (item.kind, item.id) in steps:
            continue
        waits_for = tuple(_neighbours_in_the_way(graph, item))
        reason = None if waits_for else _REASONS.get(item.status, Reason.RESET)
        steps[item.kind, item.id] = Step(item, waits_for, reason)
        waiting += waits_for
    return list(steps.values())


def _neighbours_in_the_way(graph: WorkingSet, item: Item) -> list[Item]:
    """Return the neighbours of a NEW tile to which its unmet guards refer."""
    if not isinstance(item, Tile) or item.status is not Status.NEW:
        return []
    guards = unmet_start_guards(graph, item)
    previous = graph.previous_of(item)
    neighbours: list[Item] = [previous] if previous is not None and Guard.PREVIOUS_DONE in guards else []
    return [*neighbours, graph.scene_of(item)] if Guard.SCENE_DONE in guards else neighbours

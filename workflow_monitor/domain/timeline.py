"""Counts of scenes and tiles in each status over time, derived from the present counts and the transitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from workflow_monitor.domain.status import ItemKind, Status


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A time in equal steps, from `since` to before `until`."""

    since: datetime
    until: datetime
    steps: int

    @property
    def step(self) -> timedelta:
        """Length of a step."""
        return (self.until - self.since) / self.steps


class TransitionCount(NamedTuple):
    """Count of items that changed from one status to another in a step; later transitions are in step `steps`."""

    step: int
    kind: ItemKind
    #: None for added items
    before: Status | None
    after: Status
    number: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Counts of scenes and tiles in each status at the end of each step, and of items that became DONE within it."""

    span: TimeRange
    counts: Mapping[ItemKind, Mapping[Status, list[int]]]
    finished: Mapping[ItemKind, list[int]]


def timeline(span: TimeRange, now: Mapping[ItemKind, Counter[Status]], flows: Iterable[TransitionCount]) -> Timeline:
    """Return the timeline, computed backwards from the present counts, so that pruned events do not matter."""
    changes: dict[ItemKind, list[Counter[Status]]] = {
        kind: [Counter() for _ in range(span.steps + 1)] for kind in ItemKind
    }
    finished = {kind: [0] * span.steps for kind in ItemKind}
    for flow in flows:
        change = changes[flow.kind][flow.step]
        change[flow.after] += flow.number
        if flow.before is not None:
            change[flow.before] -= flow.number
        if flow.after is Status.DONE and flow.step < span.steps:
            finished[flow.kind][flow.step] += flow.number
    counts: dict[ItemKind, dict[Status, list[int]]] = {}
    for kind in ItemKind:
        counts[kind] = {status: [0] * span.steps for status in Status}
        current = Counter(now[kind])
        for step in reversed(range(span.steps)):
            current.subtract(changes[kind][step + 1])
            for status in Status:
                counts[kind][status][step] = current[status]
    return Timeline(span, counts, finished)

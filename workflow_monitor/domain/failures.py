"""Failures by the shape of their messages: the same words, whatever the ids, dates and paths in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from workflow_monitor.domain.message_template import message_template
from workflow_monitor.domain.status import ItemKind, Status

#: statuses of failed items: retriable, final
FAILURES = (Status.RETRY, Status.FAILED)


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A scene or tile in RETRY or FAILED; `since` is the time at which it entered that status, or None if unknown."""

    kind: ItemKind
    id: int
    status: Status
    message: str
    since: datetime | None = None
    #: acquisition date of the scene, and its relative orbit if the tags have it
    acquired: date | None = None
    orbit: str | None = None


@dataclass(slots=True)
class FailureGroup:
    """Scenes or tiles in RETRY or FAILED with the same message template; `since` and `last` are the times of the first and last failure.

    `first_acquired` and `last_acquired` are acquisition dates, `orbits` counts items by relative orbit. `ids` lists the
    `retry` items in RETRY first.
    """

    message_template: str
    kind: ItemKind
    example: str
    retry: int = 0
    failed: int = 0
    since: datetime | None = None
    last: datetime | None = None
    ids: list[int] = field(default_factory=list)
    first_acquired: date | None = None
    last_acquired: date | None = None
    orbits: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Count of items."""
        return len(self.ids)

    def add(self, failure: FailedItem) -> None:
        """Count one more."""
        self.ids.append(failure.id)
        self.retry += failure.status is Status.RETRY
        self.failed += failure.status is Status.FAILED
        if failure.since is not None:
            self.since = min(self.since or failure.since, failure.since)
            self.last = max(self.last or failure.since, failure.since)
        if failure.acquired is not None:
            self.first_acquired = min(self.first_acquired or failure.acquired, failure.acquired)
            self.last_acquired = max(self.last_acquired or failure.acquired, failure.acquired)
        if failure.orbit is not None:
            self.orbits[failure.orbit] = self.orbits.get(failure.orbit, 0) + 1


def group_failures(failures: Iterable[FailedItem]) -> list[FailureGroup]:
    """The failures by shape and kind, the most frequent first.

    >>> tiles = [FailedItem(ItemKind.TILE, number, Status.RETRY, f"tile {number} is broken") for number in (7, 9)]
    >>> [(group.message_template, group.count) for group in group_failures(tiles)]
    [('tile <n> is broken', 2)]
    """
    shapes: dict[str, str] = {}
    groups: dict[tuple[str, ItemKind], FailureGroup] = {}
    for failure in sorted(failures, key=lambda one: one.status is Status.FAILED):
        text = failure.message
        if text not in shapes:
            shapes[text] = message_template(text)
        key = shapes[text], failure.kind
        if key not in groups:
            groups[key] = FailureGroup(*key, example=text)
        groups[key].add(failure)
    return sorted(groups.values(), key=lambda group: (-group.count, group.message_template))

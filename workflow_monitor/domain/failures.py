"""Failures by the shape of their messages: the same words, whatever the ids, dates and paths in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from workflow_monitor.domain.status import ItemKind, Status

NO_MESSAGE = "(no message)"
#: statuses of failed items: retriable, final
FAILURES = (Status.RETRY, Status.FAILED)

#: variable parts of messages and their placeholders, in the order of matching
_FOLDS: Sequence[tuple[str, str]] = (
    # kept: a status code is the point of the message
    (r"\b(?:HTTP(?:/[\d.]+)?|status(?: code)?|exit status|errno|error code|code)[ :=]*\d{1,3}\b", r"\g<0>"),
    (r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>\])},;]+(?:\)/[^\s:'\"]*)?", "<url>"),
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "<uuid>"),
    (r"\bS[1-6][A-Z_]_[A-Z0-9_]{10,}(?:\.SAFE)?", "<product>"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<date>"),
    (r"\b\d{8}T\d{6}Z?\b", "<date>"),
    (r"\b[A-Za-z]:\\[^\s:'\"\])},;]+", "<path>"),
    (r"(?<![\w<>])\.{0,2}(?:/[^\s/:'\"\])},;<>]+){2,}/?", "<path>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<address>"),
    (r"\b(?=\w*_)(?=\w*\d)\w{4,}\b", "<name>"),
    (r"\b(?:\d+(?:\.\d+)?(?:h|ms|us|µs|ns|m|s))+\b", "<duration>"),
    (r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b", "<hex>"),
    (r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", "<n>"),
)
_FOLD = re.compile("|".join(f"(?P<f{index}>{pattern})" for index, (pattern, _) in enumerate(_FOLDS)), re.ASCII)
_LONGEST = 500


def message_template(message: str) -> str:
    """Return a message with placeholders for its variable parts.

    >>> message_template("open /tmp/2f1a-77/S1A_IW_SLC__1SDV_20220111T170124.dim: no such file or directory")
    'open <path>: no such file or directory'
    >>> message_template("Get https://archive.example.org/p(12)/$value: status 503 Service Unavailable")
    'Get <url>: status 503 Service Unavailable'
    >>> message_template("tile 12 waited 10m0s since 2022-01-04T10:34:31Z")
    'tile <n> waited <duration> since <date>'
    """
    folded = _FOLD.sub(_folded, message.strip()[:20_000])
    folded = re.sub(r"\s+", " ", folded)
    return (folded if len(folded) <= _LONGEST else folded[: _LONGEST - 1] + "…") or NO_MESSAGE


def _folded(match: re.Match[str]) -> str:
    index = int(str(match.lastgroup)[1:])
    return match[0] if index == 0 else _FOLDS[index][1]


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

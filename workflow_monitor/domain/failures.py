"""Failures, grouped by the templates of their messages; tiles that failed with their scene are grouped by its message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache

from workflow_monitor.domain.message_template import message_template
from workflow_monitor.domain.status import Cause, ItemKind, Status

#: statuses of failed items: retriable, final
FAILURES = (Status.RETRY, Status.FAILED)


@dataclass(frozen=True, slots=True)
class FailedScene:
    """Scene whose failure failed its tiles; it may have another status now."""

    id: int
    status: Status
    message: str


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
    #: scene with which the tile failed; None if the item failed by itself
    failed_with: FailedScene | None = None


@dataclass(slots=True)
class FailureCauses:
    """Scenes in RETRY or FAILED with which the tiles of a group failed; `ids` lists the `retry` scenes in RETRY first."""

    retry: int = 0
    failed: int = 0
    ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class FailureGroup:
    """Scenes or tiles in RETRY or FAILED with the same message template; `since` and `last` are the times of the first and last failure.

    `first_acquired` and `last_acquired` are acquisition dates, `orbits` counts items by relative orbit. `ids` lists the
    `retry` items in RETRY first. The template of tiles that failed with their scenes is `scene failed: ` and that of the
    scenes; `causes` are these scenes, and a retry of the group retries them.
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
    causes: FailureCauses | None = None

    @property
    def count(self) -> int:
        """Count of items."""
        return len(self.ids)

    @property
    def label(self) -> str:
        """Template for a list: `failed with 38 scenes: ` and their template for tiles that failed with their scenes."""
        if self.causes is None:
            return self.message_template
        count = len(self.causes.ids)
        scenes = f"failed with {count:,} scene{'s' * (count != 1)}"
        return scenes + self.message_template.removeprefix(Cause.SCENE_FAILED)

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


def failed_with_scene(item: FailedItem, scene: FailedScene, cause: Cause | None) -> bool:
    """Return True if a tile of a scene failed with it; `cause` is that of the tile's last failure, None if it is unknown."""
    if item.kind is not ItemKind.TILE or item.status is not Status.FAILED:
        return False
    if cause is None:
        return scene.status is Status.FAILED and not item.message
    return cause is Cause.SCENE_FAILED


def group_failures(failures: Iterable[FailedItem]) -> list[FailureGroup]:
    """Return the failures by message template and kind: the largest group first, and tiles after the scenes that failed them.

    >>> tiles = [FailedItem(ItemKind.TILE, item_id, Status.RETRY, f"tile {item_id} is broken") for item_id in (7, 9)]
    >>> [(group.message_template, group.count) for group in group_failures(tiles)]
    [('tile <n> is broken', 2)]
    """
    template = cache(message_template)
    groups: dict[tuple[str, ItemKind], FailureGroup] = {}
    scenes: defaultdict[tuple[str, ItemKind], dict[int, Status]] = defaultdict(dict)
    for failure in sorted(failures, key=lambda failure: failure.status is Status.FAILED):
        scene = failure.failed_with
        if scene is None:
            key = template(failure.message), failure.kind
        else:
            key = ": ".join([Cause.SCENE_FAILED, *([template(scene.message)] if scene.message else [])]), failure.kind
            scenes[key][scene.id] = scene.status
        if key not in groups:
            groups[key] = FailureGroup(*key, example=failure.message if scene is None else scene.message)
        groups[key].add(failure)
    for key, statuses in scenes.items():
        groups[key].causes = _causes(statuses)
    return _in_order(groups)


def _causes(statuses: Mapping[int, Status]) -> FailureCauses | None:
    retry, failed = (sorted(scene for scene in statuses if statuses[scene] is status) for status in FAILURES)
    return FailureCauses(len(retry), len(failed), retry + failed) if retry or failed else None


def _in_order(groups: Mapping[tuple[str, ItemKind], FailureGroup]) -> list[FailureGroup]:
    def position(group: FailureGroup) -> tuple[int, str, bool]:
        template = group.message_template.removeprefix(f"{Cause.SCENE_FAILED}: ")
        scenes = groups.get((template, ItemKind.SCENE)) if group.causes else None
        return -(scenes or group).count, template, group.causes is not None

    return sorted(groups.values(), key=position)

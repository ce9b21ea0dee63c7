"""Invariants of a store, which hold after any crash, and the state that results from replaying its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.engine_harness import Running
from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import Cause, Status
from workflow_monitor.store.duckdb.integrity import check_integrity

#: ingestions stored in part; the scene names of `tests.crash_writer` contain the counts of scenes and tiles
PARTIAL_INGESTIONS = """
    WITH named AS (
        SELECT s.id, split_part(source_id, ':', 1) AS who, split_part(source_id, ':', 3)::INTEGER AS tiles,
               split_part(split_part(source_id, ':', 2), '/', 2)::INTEGER AS scenes
        FROM scene AS s WHERE contains(source_id, ':'))
    SELECT who, count(*), any_value(scenes) FROM named GROUP BY who HAVING count(*) <> any_value(scenes)
    UNION ALL
    SELECT who, named.id, tiles FROM named LEFT JOIN tile ON tile.scene = named.id
    GROUP BY ALL HAVING count(tile.id) <> tiles"""


def rows(engine: Running, statement: str) -> list[tuple[Any, ...]]:
    with engine.store.reader._source._open_cursor() as cursor:  # type: ignore[attr-defined]
        result: list[tuple[Any, ...]] = cursor.execute(statement).fetchall()
    return result


def unsound_in(engine: Running) -> list[str]:
    """Return the violated invariants of the store; pruned events are allowed."""
    with engine.store.reader._source._open_cursor() as cursor:  # type: ignore[attr-defined]
        return check_integrity(cursor)


def found_wrong(engine: Running) -> list[str]:
    """Return messages about violated invariants, partial ingestions and differences from a replay of all events."""
    violations = unsound_in(engine)
    if partial := rows(engine, PARTIAL_INGESTIONS):
        violations.append(f"partial ingestions: {partial[:5]}")
    return violations + differences_from_replay(engine)


# ---- replay of events


class ReplayedItem(NamedTuple):
    """Fields of an item that its events determine."""

    aoi: str
    status: Status
    message: str
    attempt: int
    countdown: int
    previous: int | None
    reference: int | None
    job: int | None


@dataclass
class Replay:
    """State of an empty store after a sequence of events."""

    aois: dict[str, int] = field(default_factory=dict)
    items: dict[tuple[str, int], ReplayedItem] = field(default_factory=dict)
    seq: int = 0

    def follow(self, events: Iterable[Event]) -> None:
        for event in events:
            assert event.seq > self.seq, f"event {event.seq} follows event {self.seq}"
            self.seq = event.seq
            self._follow_aoi(event) if event.type == "aoi" else self._follow_item(event)

    def _follow_aoi(self, event: Event) -> None:
        if event.cause is Cause.CREATE:
            assert event.aoi not in self.aois, f"{event.aoi} was created twice"
            self.aois[event.aoi] = event.id
        else:
            assert self.aois.pop(event.aoi) == event.id
            self.items = {key: item for key, item in self.items.items() if item.aoi != event.aoi}

    def _follow_item(self, event: Event) -> None:
        assert event.after is not None
        assert event.aoi in self.aois, f"the AOI of event {event.seq} does not exist"
        key = (event.type, event.id)
        previous = self.items.get(key)
        assert event.before == (previous.status if previous else None), f"event {event.seq} does not follow {previous}"
        is_dispatch = event.attempt != (previous.attempt if previous else 0)
        if event.after is not Status.PENDING:
            assert not is_dispatch, f"event {event.seq} dispatches an item with the status {event.after}"
            job = None
        else:
            job = event.seq if is_dispatch else previous.job if previous else None
        clears_message = event.after in (Status.PENDING, Status.DONE)
        state = (
            "" if clears_message else event.message,
            event.attempt,
            event.retries_left,
            event.previous,
            event.reference,
        )
        self.items[key] = ReplayedItem(event.aoi, event.after, *state, job)


ITEMS = """
    SELECT 'scene' AS type, i.id, a.name, i.status, i.message, i.attempt, i.countdown, NULL, NULL, i.job
    FROM scene AS i JOIN aoi AS a ON a.id = i.aoi
    UNION ALL
    SELECT 'tile', i.id, a.name, i.status, i.message, i.attempt, i.countdown, i.previous, i.reference, i.job
    FROM tile AS i JOIN aoi AS a ON a.id = i.aoi"""


def differences_from_replay(engine: Running) -> list[str]:
    """Compare the store with a replay of its events; return the differences."""
    replay = Replay()
    replay.follow(engine.events())
    aois = dict(rows(engine, "SELECT name, id FROM aoi"))
    items = {
        (kind, number): ReplayedItem(aoi, Status(status), *rest)
        for kind, number, aoi, status, *rest in rows(engine, ITEMS)
    }
    jobs = set(rows(engine, "SELECT kind::VARCHAR, item, id, attempt FROM job WHERE withdrawn IS NULL"))
    live = {(*key, item.job, item.attempt) for key, item in replay.items.items() if item.job is not None}
    differences = [f"AOIs {aois}, but by events {replay.aois}"] if aois != replay.aois else []
    differences += [f"jobs {jobs - live}, but by events {live - jobs}"] if jobs != live else []
    for key in [key for key in {**items, **replay.items} if items.get(key) != replay.items.get(key)][:5]:
        differences.append(f"{key} is {items.get(key)}, but by events {replay.items.get(key)}")
    return differences + _differences_of_counters(engine, replay)


def _differences_of_counters(engine: Running, replay: Replay) -> list[str]:
    counted: Counter[tuple[int, str, str]] = Counter()
    scenes = dict(rows(engine, "SELECT id, scene FROM tile"))
    for (kind, number), item in replay.items.items():
        aoi = replay.aois[item.aoi]
        counted[aoi, f"{kind}s", item.status] += 1
        scene = replay.items.get(("scene", scenes.get(number, 0))) if kind == "tile" else None
        if scene is not None and scene.status is Status.DONE:
            counted[aoi, "tiles of done scenes", item.status] += 1
    stored = {(aoi, of, status): items for aoi, of, status, items in rows(engine, "SELECT * FROM workload") if items}
    return [] if stored == counted else [f"counters {stored}, but by events {dict(counted)}"]

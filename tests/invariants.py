"""What has to hold in a store at every moment, whatever happened to it, and the state that its events tell of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.engine_harness import Running
from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import Cause, Status
from workflow_monitor.store.duckdb.integrity import check_integrity

#: of ingestions whose scenes are named as in `tests.crash_writer`
HALF_AN_INGESTION = """
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
        found: list[tuple[Any, ...]] = cursor.execute(statement).fetchall()
    return found


def unsound_in(engine: Running) -> list[str]:
    """What does not hang together in the store, be it that old events were forgotten."""
    with engine.store.reader._source._open_cursor() as cursor:  # type: ignore[attr-defined]
        return check_integrity(cursor)


def found_wrong(engine: Running) -> list[str]:
    """What does not hold, for a person; empty if all holds. All events have to be kept."""
    wrong = unsound_in(engine)
    if half := rows(engine, HALF_AN_INGESTION):
        wrong.append(f"an ingestion that is there in part: {half[:5]}")
    return wrong + differences_from_replay(engine)


# ---- the state as the events tell it


class Told(NamedTuple):
    """An item as its events tell."""

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
    """What the events make of an empty store, one after the other."""

    aois: dict[str, int] = field(default_factory=dict)
    items: dict[tuple[str, int], Told] = field(default_factory=dict)
    seq: int = 0

    def follow(self, events: Iterable[Event]) -> None:
        for event in events:
            assert event.seq > self.seq, f"event {event.seq} comes after {self.seq}"
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
        assert event.aoi in self.aois, f"event {event.seq} is of no AOI"
        key = (event.type, event.id)
        known = self.items.get(key)
        assert event.before == (known.status if known else None), f"event {event.seq} does not go on from {known}"
        is_handed_out = event.attempt != (known.attempt if known else 0)
        if event.after is not Status.PENDING:
            assert not is_handed_out, f"event {event.seq} hands out what is {event.after}"
            job = None
        else:
            job = event.seq if is_handed_out else known.job if known else None
        is_silent = event.after in (Status.PENDING, Status.DONE)
        state = ("" if is_silent else event.message, event.attempt, event.retries_left, event.previous, event.reference)
        self.items[key] = Told(event.aoi, event.after, *state, job)


ITEMS = """
    SELECT 'scene' AS type, i.id, a.name, i.status, i.message, i.attempt, i.countdown, NULL, NULL, i.job
    FROM scene AS i JOIN aoi AS a ON a.id = i.aoi
    UNION ALL
    SELECT 'tile', i.id, a.name, i.status, i.message, i.attempt, i.countdown, i.previous, i.reference, i.job
    FROM tile AS i JOIN aoi AS a ON a.id = i.aoi"""


def differences_from_replay(engine: Running) -> list[str]:
    """In what the store differs from what its events make of an empty one."""
    replay = Replay()
    replay.follow(engine.events())
    aois = dict(rows(engine, "SELECT name, id FROM aoi"))
    items = {
        (kind, number): Told(aoi, Status(status), *rest) for kind, number, aoi, status, *rest in rows(engine, ITEMS)
    }
    jobs = set(rows(engine, "SELECT kind::VARCHAR, item, id, attempt FROM job WHERE withdrawn IS NULL"))
    live = {(*key, item.job, item.attempt) for key, item in replay.items.items() if item.job is not None}
    told = [f"the AOIs are {aois}, the events tell of {replay.aois}"] if aois != replay.aois else []
    told += [f"the jobs are {jobs - live}, the events tell of {live - jobs}"] if jobs != live else []
    for key in [key for key in {**items, **replay.items} if items.get(key) != replay.items.get(key)][:5]:
        told.append(f"{key} is {items.get(key)}, the events tell of {replay.items.get(key)}")
    return told + _differences_of_counters(engine, replay)


def _differences_of_counters(engine: Running, replay: Replay) -> list[str]:
    counted: Counter[tuple[int, str, str]] = Counter()
    scenes = dict(rows(engine, "SELECT id, scene FROM tile"))
    for (kind, number), item in replay.items.items():
        aoi = replay.aois[item.aoi]
        counted[aoi, f"{kind}s", item.status] += 1
        scene = replay.items.get(("scene", scenes.get(number, 0))) if kind == "tile" else None
        if scene is not None and scene.status is Status.DONE:
            counted[aoi, "tiles of done scenes", item.status] += 1
    found = {(aoi, of, status): items for aoi, of, status, items in rows(engine, "SELECT * FROM workload") if items}
    return [] if found == counted else [f"the counters are {found}, the events tell of {dict(counted)}"]

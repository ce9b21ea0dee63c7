"""What was acknowledged is there, whenever the process is killed; and nothing is there by halves."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.model import NewScene
from tests.mortal import Undertaker, undertaker
from tests.on_disk import LARGE, running_on
from tests.running import Running
from workflow_monitor.domain.commands import CreateAOI

CYCLES = 100
SEED = os.environ.get("WORKFLOW_MONITOR_SEED") or str(random.randrange(10**6))
SURVIVOR = "Survivor"

#: what may never be found; each gives a few examples
NEVER = {
    "counters that differ from the numbers": """
        WITH counted AS (
            SELECT aoi, 'scenes' AS of, status, count(*) AS items FROM scene GROUP BY ALL
            UNION ALL SELECT aoi, 'tiles', status, count(*) FROM tile GROUP BY ALL
            UNION ALL SELECT t.aoi, 'tiles of done scenes', t.status, count(*)
            FROM tile AS t JOIN scene AS s ON s.id = t.scene WHERE s.status = 'DONE' GROUP BY ALL
        )
        SELECT aoi, of, status, w.items, c.items FROM workload AS w FULL JOIN counted AS c USING (aoi, of, status)
        WHERE coalesce(w.items, 0) <> coalesce(c.items, 0)""",
    "an AOI without all of its 15 counters, or counters without AOI": """
        SELECT a.id, w.aoi, count(w.aoi) FROM aoi AS a FULL JOIN workload AS w ON w.aoi = a.id
        GROUP BY ALL HAVING count(w.aoi) <> 15 OR a.id IS NULL""",
    "an item that is PENDING without its one job, or has one without being PENDING": """
        WITH item AS (SELECT 'scene' AS kind, id, status, job, attempt, aoi FROM scene
                      UNION ALL SELECT 'tile', id, status, job, attempt, aoi FROM tile),
             out AS (SELECT * FROM job WHERE withdrawn IS NULL)
        SELECT item.*, out.* FROM item FULL JOIN out ON out.kind::VARCHAR = item.kind AND out.item = item.id
        WHERE CASE WHEN item.id IS NULL THEN true
                   WHEN item.status = 'PENDING'
                   THEN out.id IS DISTINCT FROM item.job OR out.attempt <> item.attempt OR out.aoi <> item.aoi
                   ELSE out.id IS NOT NULL OR item.job IS NOT NULL END""",
    "two jobs that are out for an item": """
        SELECT kind, item, count(*) FROM job WHERE withdrawn IS NULL GROUP BY ALL HAVING count(*) > 1""",
    "a job or an event twice": """
        SELECT id, count(*) FROM job GROUP BY id HAVING count(*) > 1
        UNION ALL SELECT seq, count(*) FROM event GROUP BY seq HAVING count(*) > 1""",
    "a tile whose previous or reference tile is elsewhere, nowhere or FAILED": """
        SELECT t.id, t.previous, t.reference FROM tile AS t
        LEFT JOIN tile AS p ON p.id = t.previous LEFT JOIN tile AS r ON r.id = t.reference
        WHERE t.previous IS NOT NULL AND (p.aoi IS DISTINCT FROM t.aoi OR p.status = 'FAILED')
           OR t.reference IS NOT NULL AND (r.aoi IS DISTINCT FROM t.aoi OR r.status = 'FAILED')""",
    "a tile without scene, a scene without AOI, a job without item": """
        SELECT t.id FROM tile AS t LEFT JOIN scene AS s ON s.id = t.scene WHERE s.aoi IS DISTINCT FROM t.aoi
        UNION ALL SELECT s.id FROM scene AS s LEFT JOIN aoi AS a ON a.id = s.aoi WHERE a.id IS NULL
        UNION ALL SELECT j.id FROM job AS j LEFT JOIN aoi AS a ON a.id = j.aoi WHERE a.id IS NULL""",
    "an item that is not as its last event says": """
        WITH item AS (SELECT 'scene' AS type, id, aoi, status, attempt, countdown, NULL AS previous, NULL AS reference
                      FROM scene
                      UNION ALL SELECT 'tile', id, aoi, status, attempt, countdown, previous, reference FROM tile),
             last AS (SELECT type, item AS id, arg_max(aoi, seq) AS aoi, arg_max(after, seq) AS status,
                             arg_max(attempt, seq) AS attempt, arg_max(countdown, seq) AS countdown,
                             arg_max({'p': previous}, seq).p AS previous, arg_max({'r': reference}, seq).r AS reference
                      FROM event WHERE type <> 'aoi' GROUP BY ALL)
        (SELECT * FROM item EXCEPT SELECT * FROM last) UNION ALL (SELECT * FROM last EXCEPT SELECT * FROM item)""",
    "an event whose `from` is not the `to` of the one before": """
        SELECT seq, before, earlier FROM (
            SELECT seq, before, lag(after) OVER (PARTITION BY type, item ORDER BY seq) AS earlier
            FROM event WHERE type <> 'aoi')
        WHERE before IS DISTINCT FROM earlier""",
    "an ingestion that is there in part": """
        WITH named AS (
            SELECT s.id, split_part(source_id, ':', 1) AS who, split_part(source_id, ':', 3)::INTEGER AS tiles,
                   split_part(split_part(source_id, ':', 2), '/', 2)::INTEGER AS scenes
            FROM scene AS s WHERE contains(source_id, ':'))
        SELECT who, count(*), any_value(scenes) FROM named GROUP BY who HAVING count(*) <> any_value(scenes)
        UNION ALL
        SELECT who, named.id, tiles FROM named LEFT JOIN tile ON tile.scene = named.id
        GROUP BY ALL HAVING count(tile.id) <> tiles""",
}


@dataclass
class Diaries:
    """What all the processes were told: of each command what was asked for and, if it was answered, what came of it."""

    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    openings: int = 0

    def read(self, diary: Path) -> None:
        lines = diary.read_bytes().split(b"\n") if diary.exists() else []
        for line in lines[:-1]:
            entry = json.loads(line)
            assert entry["verb"] != "failed", entry
            if entry["verb"] == "opened":
                self.openings += 1
            elif "answer" in entry or "refused" in entry:
                self.told[entry["who"]] = entry
            else:
                self.asked[entry["who"]] = entry

    def done(self, verb: str) -> list[dict[str, Any]]:
        return [entry for entry in self.told.values() if entry["verb"] == verb and "answer" in entry]

    def missing(self, engine: Running) -> list[str]:
        """What was acknowledged and is not there."""
        rows = _rows(engine, "SELECT name FROM aoi")
        aois = {name for (name,) in rows}
        deletions = {entry["aoi"] for entry in self.asked.values() if entry["verb"] == "delete"}
        lost = [f"the AOI {entry['aoi']}" for entry in self.done("create") if entry["aoi"] not in aois | deletions]
        lost += [f"the deletion of {entry['aoi']}" for entry in self.done("delete") if entry["aoi"] in aois]
        scenes = dict(_rows(engine, "SELECT id, source_id FROM scene"))
        for entry in self.done("ingest"):
            if entry["aoi"] in aois:
                pairs = zip(entry["answer"], entry["scenes"], strict=True)
                lost += [f"the scene {number} {name}" for number, name in pairs if scenes.get(number) != name]
        lost += self._missing_events(engine)
        waiting = {
            number for (number,) in _rows(engine, "SELECT id FROM job WHERE lease IS NULL AND withdrawn IS NULL")
        }
        lost += [f"lease {j}" for entry in self.done("lease") for j in entry["answer"] if j["id"] in waiting]
        return lost

    def _missing_events(self, engine: Running) -> list[str]:
        """Every command that changed an item left its name in the log, unless the AOI was deleted later."""
        logged: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        for who, kind, item in _rows(engine, "SELECT who, type, item FROM event WHERE type <> 'aoi'"):
            logged[who].add((kind, item))
        there = set(_rows(engine, "SELECT 'scene', id FROM scene UNION ALL SELECT 'tile', id FROM tile"))
        lost = []
        for verb in ("report", "repair", "set data"):
            for entry in self.done(verb):
                outcomes = entry["answer"] if verb == "report" else ["applied"]
                items = entry["items"] if verb == "report" else [entry["item"]]
                lost += [
                    f"{verb} {entry['who']} on {item}"
                    for item, outcome in zip(map(tuple, items), outcomes, strict=True)
                    if outcome == "applied" and item in there and item not in logged[entry["who"]]
                ]
        return lost


def _rows(engine: Running, statement: str) -> list[tuple[Any, ...]]:
    with engine.store.reader._open_cursor() as cursor:  # type: ignore[attr-defined]
        rows: list[tuple[Any, ...]] = cursor.execute(statement).fetchall()
    return rows


def found_never(engine: Running) -> list[str]:
    return [f"{what}: {rows[:5]}" for what, statement in NEVER.items() if (rows := _rows(engine, statement))]


def write_again(engine: Running, number: int) -> None:
    if number == 0:
        engine.do(CreateAOI(SURVIVOR))
    engine.ingest(SURVIVOR, NewScene(f"S2A_{number}", 0, {"T32UNG": None}))
    rows = _rows(engine, "SELECT s.source_id FROM scene AS s JOIN aoi AS a ON a.id = s.aoi WHERE a.name = 'Survivor'")
    assert len(rows) == number + 1


def live_and_die(graves: Undertaker, path: Path, diary: Path, seed: str, chance: random.Random) -> None:
    """A process that is killed 20 to 300 ms after its first answer; now and then while it still opens the store."""
    child = graves.fork(path, diary, seed, chance.choice([2_000, 20_000, LARGE]))
    deadline = time.monotonic() + 60
    if chance.random() < 0.8:
        while not (diary.exists() and b'"answer"' in diary.read_bytes()):
            assert time.monotonic() < deadline, "the process was told nothing"
            time.sleep(0.002)
    time.sleep(chance.uniform(0.02, 0.3))
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    assert graves.ended() == signal.SIGKILL, diary.read_text()[-5_000:]


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_kill_9_a_hundred_times(tmp_path: Path) -> None:
    path, chance, diaries = tmp_path / "workflow.duckdb", random.Random(SEED), Diaries()
    print(f"WORKFLOW_MONITOR_SEED={SEED}")
    with undertaker() as graves:
        for cycle in range(CYCLES):
            for life in range(chance.choice([1, 1, 1, 2])):
                diary = tmp_path / f"diary-{cycle}-{life}"
                live_and_die(graves, path, diary, f"{SEED}.{cycle}.{life}", chance)
                diaries.read(diary)
            with running_on(path) as engine:
                assert diaries.missing(engine) == [], f"cycle {cycle}"
                assert found_never(engine) == [], f"cycle {cycle}"
                write_again(engine, cycle)
    acknowledged = len(diaries.told)
    print(f"{acknowledged} acknowledged, {len(diaries.asked) - acknowledged} under way when it was killed")
    assert acknowledged > 2 * CYCLES
    assert len(diaries.asked) > acknowledged
    assert diaries.openings < CYCLES * 2
    for verb in ("create", "delete", "ingest", "report", "lease", "retry all", "repair", "set data"):
        assert len(diaries.done(verb)) >= 3, verb

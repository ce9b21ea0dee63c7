"""Acknowledged commands survive SIGKILL at any moment, and no command is applied in part."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.crash_writer import ProcessReaper, process_reaper
from tests.disk_harness import LARGE, running_on
from tests.engine_harness import Running
from tests.invariants import found_wrong, rows
from tests.reference_model import NewScene
from tests.scale import effort
from workflow_monitor.domain.commands import CreateAOI

CYCLES = effort(40, 500)
SEED = os.environ.get("WORKFLOW_MONITOR_SEED") or str(random.randrange(10**6))
SURVIVOR = "Survivor"


@dataclass
class Diaries:
    """Commands of all processes, and the responses to the acknowledged or refused ones."""

    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    responses: dict[str, dict[str, Any]] = field(default_factory=dict)
    openings: int = 0

    def read(self, diary: Path) -> None:
        lines = diary.read_bytes().split(b"\n") if diary.exists() else []
        for line in lines[:-1]:
            entry = json.loads(line)
            assert entry["verb"] != "failed", entry
            if entry["verb"] == "opened":
                self.openings += 1
            elif "answer" in entry or "refused" in entry:
                self.responses[entry["who"]] = entry
            else:
                self.requests[entry["who"]] = entry

    def done(self, verb: str) -> list[dict[str, Any]]:
        return [entry for entry in self.responses.values() if entry["verb"] == verb and "answer" in entry]

    def missing(self, engine: Running) -> list[str]:
        """Return the acknowledged changes that the store lacks."""
        aois = {name for (name,) in rows(engine, "SELECT name FROM aoi")}
        deletions = {entry["aoi"] for entry in self.requests.values() if entry["verb"] == "delete"}
        lost = [f"the AOI {entry['aoi']}" for entry in self.done("create") if entry["aoi"] not in aois | deletions]
        lost += [f"the deletion of {entry['aoi']}" for entry in self.done("delete") if entry["aoi"] in aois]
        scenes = dict(rows(engine, "SELECT id, source_id FROM scene"))
        for entry in self.done("ingest"):
            if entry["aoi"] in aois:
                pairs = zip(entry["answer"], entry["scenes"], strict=True)
                lost += [f"the scene {scene_id} {name}" for scene_id, name in pairs if scenes.get(scene_id) != name]
        lost += self._missing_events(engine)
        waiting = {job for (job,) in rows(engine, "SELECT id FROM job WHERE lease IS NULL AND withdrawn IS NULL")}
        lost += [f"lease {job}" for entry in self.done("lease") for job in entry["answer"] if job["id"] in waiting]
        return lost

    def _missing_events(self, engine: Running) -> list[str]:
        """Return the applied changes without an event by their actor; items of deleted AOIs are left out."""
        logged: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        for who, kind, item in rows(engine, "SELECT who, type, item FROM event WHERE type <> 'aoi'"):
            logged[who].add((kind, item))
        remaining = set(rows(engine, "SELECT 'scene', id FROM scene UNION ALL SELECT 'tile', id FROM tile"))
        lost = []
        for verb in ("report", "repair", "set data"):
            for entry in self.done(verb):
                outcomes = entry["answer"] if verb == "report" else ["applied"]
                items = entry["items"] if verb == "report" else [entry["item"]]
                lost += [
                    f"{verb} {entry['who']} on {item}"
                    for item, outcome in zip(map(tuple, items), outcomes, strict=True)
                    if outcome == "applied" and item in remaining and item not in logged[entry["who"]]
                ]
        return lost


def write_again(engine: Running, cycle: int) -> None:
    if cycle == 0:
        engine.do(CreateAOI(SURVIVOR))
    engine.ingest(SURVIVOR, NewScene(f"S2A_{cycle}", 0, {"T32UNG": None}))
    survivors = "SELECT s.source_id FROM scene AS s JOIN aoi AS a ON a.id = s.aoi WHERE a.name = 'Survivor'"
    assert len(rows(engine, survivors)) == cycle + 1


def wait_for_responses(diary: Path, count: int) -> None:
    deadline = time.monotonic() + 600
    while not diary.exists() or diary.read_bytes().count(b'"answer"') < count:
        assert time.monotonic() < deadline, "the process made no progress"
        time.sleep(0.002)


def run_until_killed(reaper: ProcessReaper, path: Path, diary: Path, seed: str, chance: random.Random) -> None:
    """Fork a writer and kill it after 1 to 40 responses, or in one of five runs within 300 ms, often before the store is open."""
    child = reaper.fork(path, diary, seed, chance.choice([2_000, 20_000, LARGE]))
    if chance.random() < 0.8:
        wait_for_responses(diary, chance.randint(1, 40))
    else:
        time.sleep(chance.uniform(0.02, 0.3))
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    assert reaper.ended() == signal.SIGKILL, diary.read_text()[-5_000:]


@pytest.mark.torture
@pytest.mark.timeout(effort(3_600, 14_400))
def test_acknowledged_commands_survive_sigkill(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    path, chance, diaries = tmp_path / "workflow.duckdb", random.Random(SEED), Diaries()
    print(f"WORKFLOW_MONITOR_SEED={SEED}")
    kills = 0
    with process_reaper() as reaper:
        for cycle in range(CYCLES):
            for life in range(chance.choice([1, 1, 1, 2])):
                diary = tmp_path / f"diary-{cycle}-{life}"
                run_until_killed(reaper, path, diary, f"{SEED}.{cycle}.{life}", chance)
                diaries.read(diary)
                diary.unlink(missing_ok=True)
                kills += 1
            with running_on(path) as engine:
                assert diaries.missing(engine) == [], f"cycle {cycle}"
                assert found_wrong(engine) == [], f"cycle {cycle}"
                write_again(engine, cycle)
    acknowledged = len(diaries.responses)
    for name, value in (("seed", SEED), ("kills", kills), ("acknowledged", acknowledged), ("lost", 0)):
        record_property(name, value)
    record_property("in flight at the kill", len(diaries.requests) - acknowledged)
    assert acknowledged > 2 * CYCLES
    assert len(diaries.requests) > acknowledged
    assert diaries.openings < CYCLES * 2
    for verb in ("create", "delete", "ingest", "report", "lease", "retry all", "repair", "set data"):
        assert len(diaries.done(verb)) >= 3, verb

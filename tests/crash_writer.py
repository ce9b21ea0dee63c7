"""Processes that send random commands to a store until they are killed.

`python -m tests.crash_writer` reads orders, one JSON object per line, forks a process for each, and prints its id. The
process appends its commands and their results to a diary, which remains after it is killed. See `Workload`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.disk_harness import running_on
from tests.engine_harness import Running, ingestion
from tests.paths import ROOT
from tests.reference_model import Link as ModelLink
from tests.reference_model import NewScene
from workflow_monitor.domain.commands import (
    Command,
    CreateAOI,
    DeleteAOI,
    FailItem,
    ForceStatus,
    Ingest,
    LeaseJobs,
    ReportResults,
    RetryAOI,
    RetryItem,
    SetData,
)
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.domain.models import LeasedJob, Result
from workflow_monitor.domain.status import ItemKind, Status

THREADS = 4
#: maximum of concurrent commands per thread
PIPELINE = 5
PLACES = ("T32UNG", "T33VUC", "A44_IW1_8951")


class ProcessReaper:
    """Starts writing processes through a template process, and waits until they end."""

    def __init__(self) -> None:
        self._template = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_writer"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._read_line() == "ready"

    def _read_line(self) -> Any:
        assert self._template.stdout is not None
        return json.loads(self._template.stdout.readline())

    def fork(self, path: Path, diary: Path, seed: str, checkpoint_bytes: int) -> int:
        """Start a process that writes to the store and the diary until it is killed; return its id."""
        assert self._template.stdin is not None
        order = {"path": str(path), "diary": str(diary), "seed": seed, "checkpoint_bytes": checkpoint_bytes}
        self._template.stdin.write(json.dumps(order) + "\n")
        self._template.stdin.flush()
        return int(self._read_line())

    def ended(self) -> int:
        """Wait until the last forked process ends; return the signal that ended it."""
        signal_number: int = self._read_line()
        return signal_number

    def close(self) -> None:
        assert self._template.stdin is not None
        assert self._template.stdout is not None
        self._template.stdin.close()
        self._template.wait(30)
        self._template.stdout.close()


@contextmanager
def process_reaper() -> Iterator[ProcessReaper]:
    reaper = ProcessReaper()
    try:
        yield reaper
    finally:
        reaper.close()


# ---- the writing process


@dataclass
class Workload:
    """Commands of one thread, which writes to its own AOIs only, so that their state depends on its commands alone."""

    name: str
    chance: random.Random
    diary: int
    #: by name of the AOI: source ids of the scenes, by id
    scenes: dict[str, dict[int, str]] = field(default_factory=dict)
    #: by id of the scene: ids of its tiles, for some scenes
    tiles: dict[int, list[int]] = field(default_factory=dict)
    number: int = 0

    def run(self, engine: Running) -> None:
        while True:
            sent: list[tuple[dict[str, Any], Future[Any]]] = []
            for _ in range(self.chance.randint(1, PIPELINE)):
                command, entry = self._command()
                # the command is on disk before it is sent, its result after the commit
                self._note(entry)
                sent.append((entry, engine.workflow.submit(command, entry["who"])))
            for entry, future in sent:
                self._note(entry | self._result(entry, future))
                self._read_tiles(engine, entry)

    def _note(self, entry: Mapping[str, Any]) -> None:
        os.write(self.diary, json.dumps(entry).encode() + b"\n")

    def _result(self, entry: Mapping[str, Any], future: Future[Any]) -> dict[str, Any]:
        try:
            result = future.result(60)
        except WorkflowError as error:
            if error.status >= 500:
                raise
            return {"refused": error.code}
        if entry["verb"] == "ingest":
            result = list(result.added.values())
            aoi = self.scenes.get(entry["aoi"])
            if aoi is not None:
                aoi.update(zip(result, entry["scenes"], strict=True))
        elif entry["verb"] == "report":
            result = [outcome.code for outcome in result]
        elif entry["verb"] == "lease":
            result = [_job(job) for job in result]
        return {"answer": result}

    def _read_tiles(self, engine: Running, entry: Mapping[str, Any]) -> None:
        """Read the ids of the tiles of the last ingested scene."""
        if entry["verb"] == "ingest" and (ingested := self.scenes.get(entry["aoi"])):
            scene = max(ingested)
            chunks = engine.store.reader.tiles_of(scene, "document")
            self.tiles[scene] = [json.loads(text)["id"] for chunk in chunks for text in chunk]

    def _command(self) -> tuple[Command, dict[str, Any]]:
        """Return a random command and its diary entry."""
        self.number += 1
        who = f"{self.name}-{self.number}"
        if not self.scenes:
            return self._create(who)
        choices: list[tuple[int, Callable[[str], tuple[Command, dict[str, Any]]]]] = [
            (1, self._create),
            (1, self._delete),
            (6, self._ingest),
            (12, self._report),
            (3, self._lease),
            (2, self._retry_all),
            (4, self._repair),
            (2, self._set_data),
        ]
        weights = [weight for weight, _ in choices]
        return self.chance.choices([make for _, make in choices], weights)[0](who)

    def _aoi(self) -> str:
        return self.chance.choice(list(self.scenes))

    def _item(self) -> tuple[ItemKind, int]:
        """Return a random scene or tile of this thread; an id that does not exist if there are none."""
        scenes = [scene for scenes in self.scenes.values() for scene in scenes]
        tiles = [tile for scene in scenes for tile in self.tiles.get(scene, ())]
        kind = self.chance.choice(list(ItemKind))
        return kind, self.chance.choice((scenes if kind is ItemKind.SCENE else tiles) or [2**40])

    def _create(self, who: str) -> tuple[Command, dict[str, Any]]:
        self.scenes[f'{who}\'s "AOI"'] = {}
        return CreateAOI(f'{who}\'s "AOI"'), {"verb": "create", "who": who, "aoi": f'{who}\'s "AOI"'}

    def _delete(self, who: str) -> tuple[Command, dict[str, Any]]:
        aoi = self._aoi()
        del self.scenes[aoi]
        return DeleteAOI(aoi), {"verb": "delete", "who": who, "aoi": aoi}

    def _ingest(self, who: str) -> tuple[Command, dict[str, Any]]:
        """Ingest scenes in chains; each name contains the counts of scenes and tiles, see `tests.invariants`."""
        aoi = self._aoi()
        stored = list(self.scenes[aoi].values())
        before = self.chance.choice(stored) if stored else None
        new: list[NewScene] = []
        number = self.chance.randint(1, 6)
        for index in range(number):
            links = {place: _links(place, before) for place in PLACES[: self.chance.randint(1, len(PLACES))]}
            scene = NewScene(f"{who}:{index}/{number}:{len(links)}", 2, links)
            new.append(scene)
            if len(links) == len(PLACES):
                before = scene.name
        command: Ingest = ingestion(aoi, new)
        return command, {"verb": "ingest", "who": who, "aoi": aoi, "scenes": [scene.name for scene in new]}

    def _report(self, who: str) -> tuple[Command, dict[str, Any]]:
        statuses = [Status.DONE] * 6 + [Status.RETRY] * 2 + [Status.FAILED]
        results = []
        for _ in range(self.chance.randint(1, 20)):
            kind, item_id = self._item()
            results.append(Result(kind=kind, id=item_id, status=self.chance.choice(statuses), message=f"{who}\n\"'"))
        entry = {"verb": "report", "who": who, "items": [(str(result.kind), result.id) for result in results]}
        return ReportResults(results), entry

    def _lease(self, who: str) -> tuple[Command, dict[str, Any]]:
        queue = self.chance.choice(["downloader", "processor"])
        return LeaseJobs(queue, self.chance.randint(1, 4), 3600, who), {"verb": "lease", "who": who}

    def _retry_all(self, who: str) -> tuple[Command, dict[str, Any]]:
        aoi = self._aoi()
        return RetryAOI(aoi, force=self.chance.random() < 0.3), {"verb": "retry all", "who": who, "aoi": aoi}

    def _repair(self, who: str) -> tuple[Command, dict[str, Any]]:
        kind, item_id = self._item()
        forced = ForceStatus(kind, item_id, self.chance.choice(list(Status)))
        commands: list[Command] = [RetryItem(kind, item_id), FailItem(kind, item_id, force=True), forced]
        return self.chance.choice(commands), {"verb": "repair", "who": who, "item": (str(kind), item_id)}

    def _set_data(self, who: str) -> tuple[Command, dict[str, Any]]:
        kind, item_id = self._item()
        return SetData(kind, item_id, {"graph_name": who}, merge=True), {
            "verb": "set data",
            "who": who,
            "item": (str(kind), item_id),
        }


def _links(place: str, before: str | None) -> tuple[ModelLink, ModelLink] | None:
    return None if before is None or not before.endswith(f":{len(PLACES)}") else (ModelLink(before, place),) * 2


def _job(job: LeasedJob) -> dict[str, Any]:
    return {"id": job.id, "lease": job.lease}


def _write_until_killed(order: Mapping[str, Any]) -> None:
    diary = os.open(order["diary"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with _failures_in(diary), running_on(Path(order["path"]), order["checkpoint_bytes"]) as engine:
        os.write(diary, b'{"verb": "opened"}\n')
        for index in range(THREADS):
            name = f"{order['seed']}.{index}"
            workload = Workload(name, random.Random(name), diary)
            threading.Thread(target=_run, args=(workload, engine)).start()
        threading.Event().wait()  # until killed


def _run(workload: Workload, engine: Running) -> None:
    with _failures_in(workload.diary):
        workload.run(engine)


@contextmanager
def _failures_in(diary: int) -> Iterator[None]:
    """Write an exception to the diary and end the process."""
    try:
        yield
    except BaseException:  # noqa: BLE001
        os.write(diary, json.dumps({"verb": "failed", "error": traceback.format_exc()}).encode() + b"\n")
        os._exit(1)


def _serve() -> None:
    print('"ready"', flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _write_until_killed(json.loads(line))
            finally:
                os._exit(2)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()

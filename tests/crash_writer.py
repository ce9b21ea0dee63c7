"""Processes that write to a store in every way until they are killed, and what each has been told before.

`python -m tests.crash_writer` reads orders, a JSON object a line, forks such a process for each and prints its number; what
that one asks for and is told it appends to a file, line by line, which outlives it. See `order` and `Workload`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
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
#: commands of one thread that are under way at once, at most
PIPELINE = 5
PLACES = ("T32UNG", "T33VUC", "A44_IW1_8951")


class Undertaker:
    """Has processes forked that write, and kills them."""

    def __init__(self) -> None:
        self._template = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_writer"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._hear() == "ready"

    def _hear(self) -> Any:
        assert self._template.stdout is not None
        return json.loads(self._template.stdout.readline())

    def fork(self, path: Path, diary: Path, seed: str, checkpoint_bytes: int) -> int:
        """The number of a process that writes to the store, and keeps the diary, until it is killed."""
        assert self._template.stdin is not None
        order = {"path": str(path), "diary": str(diary), "seed": seed, "checkpoint_bytes": checkpoint_bytes}
        self._template.stdin.write(json.dumps(order) + "\n")
        self._template.stdin.flush()
        return int(self._hear())

    def ended(self) -> int:
        """Wait until the process that was forked last has ended, and answer by which signal."""
        signal_number: int = self._hear()
        return signal_number

    def close(self) -> None:
        assert self._template.stdin is not None
        assert self._template.stdout is not None
        self._template.stdin.close()
        self._template.wait(30)
        self._template.stdout.close()


@contextmanager
def undertaker() -> Iterator[Undertaker]:
    one = Undertaker()
    try:
        yield one
    finally:
        one.close()


# ---- the process that is going to be killed


@dataclass
class Workload:
    """A thread that writes to AOIs of its own, so that it alone decides what becomes of them."""

    name: str
    chance: random.Random
    diary: int
    #: of its AOIs by name: ids of the scenes with their source ids
    scenes: dict[str, dict[int, str]] = field(default_factory=dict)
    #: of some of these scenes
    tiles: dict[int, list[int]] = field(default_factory=dict)
    number: int = 0

    def run(self, engine: Running) -> None:
        while True:
            sent: list[tuple[dict[str, Any], Future[Any]]] = []
            for _ in range(self.chance.randint(1, PIPELINE)):
                command, told = self._command()
                # what was asked for is known before, what came of it after it is on disk
                self._note(told)
                sent.append((told, engine.workflow.submit(command, told["who"])))
            for told, future in sent:
                self._note(told | self._answer(told, future))
                self._look_at(engine, told)

    def _note(self, entry: Mapping[str, Any]) -> None:
        os.write(self.diary, json.dumps(entry).encode() + b"\n")

    def _answer(self, told: Mapping[str, Any], future: Future[Any]) -> dict[str, Any]:
        try:
            answer = future.result(60)
        except WorkflowError as error:
            if error.status >= 500:
                raise
            return {"refused": error.code}
        if told["verb"] == "ingest":
            aoi = self.scenes.get(told["aoi"])
            if aoi is not None:
                aoi.update(zip(answer, told["scenes"], strict=True))
        elif told["verb"] == "report":
            answer = [outcome.code for outcome in answer]
        elif told["verb"] == "lease":
            answer = [_job(job) for job in answer]
        return {"answer": answer}

    def _look_at(self, engine: Running, told: Mapping[str, Any]) -> None:
        """Learn the numbers of a few of the tiles that were ingested."""
        if told["verb"] == "ingest" and (known := self.scenes.get(told["aoi"])):
            scene = max(known)
            chunks = engine.store.reader.tiles_of(scene, "document")
            self.tiles[scene] = [json.loads(text)["id"] for chunk in chunks for text in chunk]

    def _command(self) -> tuple[Command, dict[str, Any]]:
        """Something to ask for, and what the diary says of it."""
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
        """A scene or a tile, of its own."""
        scenes = [number for scenes in self.scenes.values() for number in scenes]
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
        """Scenes in chains; the name of each says how many there are, and how many tiles it has."""
        aoi = self._aoi()
        known = list(self.scenes[aoi].values())
        before = self.chance.choice(known) if known else None
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
            kind, number = self._item()
            results.append(Result(kind=kind, id=number, status=self.chance.choice(statuses), message=f"{who}\n\"'"))
        told = {"verb": "report", "who": who, "items": [(str(result.kind), result.id) for result in results]}
        return ReportResults(results), told

    def _lease(self, who: str) -> tuple[Command, dict[str, Any]]:
        queue = self.chance.choice(["downloader", "processor"])
        return LeaseJobs(queue, self.chance.randint(1, 4), 3600, who), {"verb": "lease", "who": who}

    def _retry_all(self, who: str) -> tuple[Command, dict[str, Any]]:
        aoi = self._aoi()
        return RetryAOI(aoi, force=self.chance.random() < 0.3), {"verb": "retry all", "who": who, "aoi": aoi}

    def _repair(self, who: str) -> tuple[Command, dict[str, Any]]:
        kind, number = self._item()
        forced = ForceStatus(kind, number, self.chance.choice(list(Status)))
        commands: list[Command] = [RetryItem(kind, number), FailItem(kind, number, force=True), forced]
        return self.chance.choice(commands), {"verb": "repair", "who": who, "item": (str(kind), number)}

    def _set_data(self, who: str) -> tuple[Command, dict[str, Any]]:
        kind, number = self._item()
        return SetData(kind, number, {"graph_name": who}, merge=True), {
            "verb": "set data",
            "who": who,
            "item": (str(kind), number),
        }


def _links(place: str, before: str | None) -> tuple[ModelLink, ModelLink] | None:
    return None if before is None or not before.endswith(f":{len(PLACES)}") else (ModelLink(before, place),) * 2


def _job(job: LeasedJob) -> dict[str, Any]:
    return {"id": job.id, "lease": job.lease}


def _live(order: Mapping[str, Any]) -> None:
    diary = os.open(order["diary"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with _failures_in(diary), running_on(Path(order["path"]), order["checkpoint_bytes"]) as engine:
        os.write(diary, b'{"verb": "opened"}\n')
        for index in range(THREADS):
            name = f"{order['seed']}.{index}"
            errand = Workload(name, random.Random(name), diary)
            threading.Thread(target=_run, args=(errand, engine)).start()
        time.sleep(3600)


def _run(errand: Workload, engine: Running) -> None:
    with _failures_in(errand.diary):
        errand.run(engine)


@contextmanager
def _failures_in(diary: int) -> Iterator[None]:
    """Whoever reads the diary learns of everything that goes wrong, which ends the process."""
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
                _live(json.loads(line))
            finally:
                os._exit(2)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()

"""Engines on files, in this process and in child processes without disk space or permissions.

`python -m tests.disk_harness ACTION PATH …` runs an action and prints one JSON value per line.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engine_harness import Running, running_on_store
from tests.paths import ROOT
from tests.reference_model import NewScene
from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.engine.queries import Queries
from workflow_monitor.store.duckdb import DuckDBStore

AOI = "Denmark"
NOBODY = 65534
LARGE = 16 * 2**20


@contextmanager
def running_on(path: Path, checkpoint_bytes: int = LARGE) -> Iterator[Running]:
    """Run an engine on a file, which is created if missing."""
    with running_on_store(DuckDBStore(f"duckdb:///{path}", checkpoint_bytes=checkpoint_bytes)) as engine:
        yield engine


def names(engine: Running) -> list[str]:
    """Return the source ids of all scenes, by id; assert that each scene has one tile."""
    scenes = [json.loads(text) for chunk in Queries(engine.store.reader).scenes("*") for text in chunk]
    tiles = [json.loads(text) for chunk in Queries(engine.store.reader).tiles("*") for text in chunk]
    assert [tile["scene"]["id"] for tile in tiles] == [scene["id"] for scene in scenes]
    return [scene["source_id"] for scene in scenes]


def scenes(first: int, number: int) -> list[NewScene]:
    """Return scenes with one tile and about 1 kB of data each."""
    return [NewScene(f"S2A_{index}_{'x' * 600}", 1, {"T32UNG": None}) for index in range(first, first + number)]


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start a child process with an action of this module."""
    command = [sys.executable, "-m", "tests.disk_harness", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(*arguments: object) -> Any:
    """Run an action of this module in a child process and return its output."""
    with start(*arguments) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return json.loads(output)


# ---- actions of the child process


def _print(value: object) -> None:
    print(json.dumps(value), flush=True)


def _hold(path: Path) -> None:
    """Keep the store open until the standard input ends."""
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        _print("ready")
        sys.stdin.read()


def _open(path: Path) -> None:
    """Open the store; print null, or the reason of the failure."""
    try:
        with running_on(path) as engine:
            names(engine)
    except StoreUnavailable as error:
        _print(error.detail)
    else:
        _print(None)


def _open_as_nobody(path: Path) -> None:
    """Open the store as an unprivileged user, since permissions do not restrict root."""
    with tempfile.TemporaryDirectory() as folder, running_on(Path(folder, "workflow.duckdb")) as engine:
        names(engine)  # loads all modules while they are readable
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    _open(path)


def _limit_files(number: int) -> None:
    """Limit the size of all files of this process to `number` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))


def _open_without_room(path: Path, limit: int) -> None:
    _limit_files(limit)
    _open(path)


def _fill(path: Path, limit: int, checkpoint_bytes: int) -> None:
    """Write twice until the disk is full; print a comparison of acknowledged and stored scenes for each step.

    `limit` is the maximum size of a file in bytes; 0 fills the file system instead.
    """
    filler = path.with_name("filler")

    def fill() -> None:
        _limit_files(limit) if limit else _leave_free(filler, 2**20)

    def clear() -> None:
        _limit_files(resource.RLIM_INFINITY)
        filler.unlink(missing_ok=True)

    outcome: dict[str, Any] = {}
    with running_on(path, checkpoint_bytes) as engine:
        engine.do(CreateAOI(AOI))
        fill()
        acknowledged, outcome["refused"] = _ingest_until_refused(engine, 1000)
        outcome["needs_reopen"] = engine.store.needs_reopen
        outcome["when full"] = _compare(engine, acknowledged)
        clear()
        if not engine.store.needs_reopen:
            acknowledged += _ingest(engine, 2000)
            outcome["after freeing space"] = _compare(engine, acknowledged)
            fill()
            acknowledged += _ingest_until_refused(engine, 3000)[0]
    with running_on(path, checkpoint_bytes) as engine:
        outcome["after a restart"] = _compare(engine, acknowledged)
        clear()
        acknowledged += _ingest(engine, 4000)
    with running_on(path) as engine:
        outcome["at the end"] = _compare(engine, acknowledged)
    _print(outcome)


def _compare(engine: Running, acknowledged: list[str]) -> str:
    try:
        stored = names(engine)
    except StoreUnavailable as error:
        return error.detail
    if stored == acknowledged:
        return "all acknowledged scenes"
    return f"{len(stored)} scenes instead of {len(acknowledged)}"


def _ingest(engine: Running, first: int) -> list[str]:
    batch = scenes(first, 10)
    engine.ingest(AOI, *batch)
    return [scene.name for scene in batch]


def _ingest_until_refused(engine: Running, first: int) -> tuple[list[str], str]:
    acknowledged: list[str] = []
    for number in range(100):
        try:
            acknowledged += _ingest(engine, first + 10 * number)
        except StoreUnavailable as error:
            return acknowledged, error.detail
    return acknowledged, ""


def _leave_free(filler: Path, number: int) -> None:
    disk = os.statvfs(filler.parent)
    filler.write_bytes(bytes(max(disk.f_bavail * disk.f_frsize - number, 0)))


if __name__ == "__main__":
    actions = {
        "hold": _hold,
        "open": _open,
        "open_as_nobody": _open_as_nobody,
        "open_without_room": _open_without_room,
        "fill": _fill,
    }
    _, action, file, *numbers = sys.argv
    actions[action](Path(file), *map(int, numbers))  # type: ignore[operator]

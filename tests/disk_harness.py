"""Engines on files, in this process and in others that can be killed, starved of disk space or of rights.

`python -m tests.disk_harness hold PATH` and the like are such other processes; each prints JSON, a line at a time.
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
    """A workflow on a file, which is made if it is not there."""
    with running_on_store(DuckDBStore(f"duckdb:///{path}", checkpoint_bytes=checkpoint_bytes)) as engine:
        yield engine


def names(engine: Running) -> list[str]:
    """The source ids of all scenes, by id; each has one tile or this raises."""
    scenes = [json.loads(text) for chunk in Queries(engine.store.reader).scenes("*") for text in chunk]
    tiles = [json.loads(text) for chunk in Queries(engine.store.reader).tiles("*") for text in chunk]
    assert [tile["scene"]["id"] for tile in tiles] == [scene["id"] for scene in scenes]
    return [scene["source_id"] for scene in scenes]


def scenes(first: int, number: int) -> list[NewScene]:
    """Scenes of a tile each that take a kilobyte or so."""
    return [NewScene(f"S2A_{index}_{'x' * 600}", 1, {"T32UNG": None}) for index in range(first, first + number)]


def start(*arguments: object) -> subprocess.Popen[str]:
    """One of the processes of this file."""
    command = [sys.executable, "-m", "tests.disk_harness", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(*arguments: object) -> Any:
    """What one of the processes of this file has to say."""
    with start(*arguments) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return json.loads(output)


# ---- the other processes


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


def _hold(path: Path) -> None:
    """Own the store until the standard input ends."""
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        _say("ready")
        sys.stdin.read()


def _open(path: Path) -> None:
    """Say why the store cannot be opened; null if it can."""
    try:
        with running_on(path) as engine:
            names(engine)
    except StoreUnavailable as error:
        _say(error.detail)
    else:
        _say(None)


def _open_as_nobody(path: Path) -> None:
    """The same without rights, for root, whom nothing is forbidden."""
    with tempfile.TemporaryDirectory() as folder, running_on(Path(folder, "workflow.duckdb")) as engine:
        names(engine)  # imports what it is going to need
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    _open(path)


def _limit_files(number: int) -> None:
    """From now on no file of this process can grow beyond so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))


def _open_without_room(path: Path, limit: int) -> None:
    _limit_files(limit)
    _open(path)


def _fill(path: Path, limit: int, checkpoint_bytes: int) -> None:
    """Write until the disk is full, twice, and say what was acknowledged and found in the meantime.

    The disk is full beyond `limit` bytes per file or, if that is 0, of all that is on it.
    """
    filler = path.with_name("filler")

    def fill() -> None:
        _limit_files(limit) if limit else _leave_free(filler, 2**20)

    def clear() -> None:
        _limit_files(resource.RLIM_INFINITY)
        filler.unlink(missing_ok=True)

    said: dict[str, Any] = {}
    with running_on(path, checkpoint_bytes) as engine:
        engine.do(CreateAOI(AOI))
        fill()
        acknowledged, said["refused"] = _ingest_until_refused(engine, 1000)
        said["is_broken"] = engine.store.needs_reopen
        said["found"] = _found(engine, acknowledged)
        clear()
        if not engine.store.needs_reopen:
            acknowledged += _ingest(engine, 2000)
            said["found when cleared"] = _found(engine, acknowledged)
            fill()
            acknowledged += _ingest_until_refused(engine, 3000)[0]
    with running_on(path, checkpoint_bytes) as engine:
        said["found by the next"] = _found(engine, acknowledged)
        clear()
        acknowledged += _ingest(engine, 4000)
    with running_on(path) as engine:
        said["found at last"] = _found(engine, acknowledged)
    _say(said)


def _found(engine: Running, acknowledged: list[str]) -> str:
    try:
        found = names(engine)
    except StoreUnavailable as error:
        return error.detail
    if found == acknowledged:
        return "what was acknowledged"
    return f"{len(found)} scenes instead of {len(acknowledged)}"


def _ingest(engine: Running, first: int) -> list[str]:
    some = scenes(first, 10)
    engine.ingest(AOI, *some)
    return [scene.name for scene in some]


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

"""What the server costs by being there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

from benchmarks.speed.figures import Figure, Goal
from benchmarks.speed.site import site

IDLE_SECONDS = 10


@contextmanager
def _started(folder: Path, store: str = "") -> Iterator[tuple[float, float, float]]:
    """Seconds until it answers, its MB then, and the part of a processor that it takes while nobody asks."""
    begun = perf_counter()
    with site(folder, 0, 0, store) as found:
        seconds, memory = perf_counter() - begun, found.memory()
        sleep(1)
        before = sum(found.process.cpu_times()[:2])
        sleep(IDLE_SECONDS)
        yield seconds, memory, (sum(found.process.cpu_times()[:2]) - before) / IDLE_SECONDS * 100


def standing(folder: Path, store: str = "") -> list[Figure]:
    """Starting with the store in a folder, or of a URL, beside starting with none."""
    more, memory, idle = [], [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as empty, _started(Path(empty)) as (without, _, _):
            pass
        with _started(folder, store) as (seconds, megabytes, part):
            more.append(seconds - without)
            memory.append(megabytes)
            idle.append(part)
    return [
        Figure("start of Jupyter with this store", "s more", more, Goal(below=1)),
        Figure("memory of the server after it", "MB", memory, Goal(below=600)),
        Figure("processor while idle", "% of one", idle, Goal(below=0.5)),
    ]

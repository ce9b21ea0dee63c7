"""Cost of an idle server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

from benchmarks.speed.plots import Figure, Goal
from benchmarks.speed.target import Site, site

IDLE_SECONDS = 10


@contextmanager
def _started(folder: Path, store: str = "") -> Iterator[tuple[float, Site]]:
    """A server that has just answered, and the seconds that it took until then."""
    begun = perf_counter()
    with site(folder, 0, 0, store) as found:
        yield perf_counter() - begun, found


def standing(folder: Path, store: str = "") -> list[Figure]:
    """Starting with the store in a folder, or of a URL, beside starting with none."""
    more, memory, idle = [], [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as empty, _started(Path(empty)) as (without, _):
            pass
        with _started(folder, store) as (seconds, found):
            more.append(seconds - without)
            memory.append(found.memory())
            sleep(1)
            before = found.processor()
            sleep(IDLE_SECONDS)
            idle.append((found.processor() - before) / IDLE_SECONDS * 100)
    return [
        Figure("start of Jupyter with this store", "s more", more, Goal(below=1)),
        Figure("memory of the server after it", "MB", memory, Goal(below=600)),
        Figure("processor while idle", "% of one", idle, Goal(below=0.5)),
    ]

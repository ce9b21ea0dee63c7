"""Latency of small requests while a long response is sent.

    python -m benchmarks.responsiveness --tiles 100000

A real Jupyter server holds one AOI with `--tiles` tiles. One client reads the whole list again and again while others send
small requests. The report compares their latency with the latency without the long response.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.ingestion import AOI, fill
from benchmarks.speed.plots import percentile
from tests.server_process import live_server

LIMIT_MS = 50
ASKED = {"overview": f"/aoi/{AOI}", "tile": "/tile/77", "page of scenes": f"/aoi/{AOI}/scenes?limit=100", "up?": "/"}


@contextmanager
def long_answers(client: httpx.Client) -> Iterator[list[float]]:
    """Read the list of all tiles over and over, in a thread; the seconds that each took are listed."""
    took: list[float] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            started = time.perf_counter()
            with client.stream("GET", f"/aoi/{AOI}/tiles", timeout=300) as answer:
                for _ in answer.iter_raw():
                    pass
            took.append(time.perf_counter() - started)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def times(ask: Callable[[str], object], seconds: float) -> dict[str, list[float]]:
    """Return the milliseconds of each small request, sent in turn for `seconds`."""
    found: dict[str, list[float]] = {name: [] for name in ASKED}
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for name, path in ASKED.items():
            started = time.perf_counter()
            ask(path)
            found[name].append((time.perf_counter() - started) * 1000)
    return found


def report(title: str, found: dict[str, list[float]]) -> None:
    """Print medians and the slow end."""
    print(f"\n{title}\n\n| asked | median ms | p99 ms | slowest ms | times |\n| --- | --- | --- | --- | --- |")
    for name, values in found.items():
        print(
            f"| {name} | {statistics.median(values):.1f} | {percentile(values, 99):.1f} | {max(values):.1f} | {len(values)} |"
        )


def main() -> None:
    """Run it and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, live_server(Path(folder)) as server:
        headers = {"Authorization": f"token {server.token}"}
        with (
            httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client,
            httpx.Client(base_url=server.url, headers=headers, trust_env=False) as reader,
        ):
            fill(client, options.tiles)
            quiet = times(client.get, options.seconds / 3)
            with long_answers(reader) as took:
                busy = times(client.get, options.seconds)
        print(f"# {options.tiles} tiles, read as one list {len(took)} times, {statistics.median(took):.2f} s each")
        report("Without", quiet)
        report(f"While the list is answered (median of each is to stay below {LIMIT_MS} ms)", busy)
        print(json.dumps({"slow": [name for name, values in busy.items() if statistics.median(values) >= LIMIT_MS]}))


if __name__ == "__main__":
    main()

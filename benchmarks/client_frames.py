"""Time and peak memory of turning the scenes and tiles of an ingestion into frames.

    python -m benchmarks.client_frames --tiles 1000000

A real Jupyter server holds one AOI with `--tiles` tiles, five per scene. The client reads frames; as the limit, pyarrow
reads the same bytes from the same server into a table. Each runs several times, alternating, in its own process. The
report shows the peak memory of the process and its memory before the run.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.ingestion import AOI, TILES_PER_SCENE, fill, scene_on_earth
from tests.server_process import live_server

LIMIT = 3.0
ARROW = "application/vnd.apache.arrow.stream"
WAYS = ("pyarrow", "client")


def read_with_pyarrow(url: str, token: str, what: str) -> Callable[[], int]:
    """Reading the Arrow stream into a table; the number of its rows."""
    import pyarrow as pa

    path = f"{url}workflow-monitor/aoi/{AOI}/{what}"
    request = urllib.request.Request(path, headers={"Authorization": f"token {token}", "Accept": ARROW})

    def read() -> int:
        with urllib.request.urlopen(request) as answer, pa.ipc.open_stream(answer) as stream:
            return int(stream.read_all().num_rows)

    return read


def read_with_client(url: str, token: str, what: str) -> Callable[[], int]:
    """Making the frame; the number of its rows."""
    from workflow_monitor import Monitor
    from workflow_monitor.client import frames  # noqa: F401 - not to be measured as reading

    aoi = Monitor(url, token=token)[AOI]
    return lambda: len(aoi.scenes() if what == "scenes" else aoi.tiles())


def measure(way: str, url: str, token: str, what: str) -> dict[str, float]:
    """Read once; rows, seconds and megabytes."""
    read = (read_with_pyarrow if way == "pyarrow" else read_with_client)(url, token, what)
    before = peak()
    started = time.perf_counter()
    rows = read()
    return {"rows": rows, "seconds": time.perf_counter() - started, "before": before, "peak": peak()}


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_a_process(way: str, url: str, token: str, what: str) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.client_frames", "--way", way, "--url", url, "--token", token]
    said = subprocess.run([*command, "--what", what], check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(said)
    return found


def compare(url: str, token: str, what: str, times: int) -> str:
    """A row of the report for scenes or tiles."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(times):
        for way in WAYS:
            found[way].append(in_a_process(way, url, token, what))

    def median(way: str, name: str) -> float:
        return statistics.median(one[name] for one in found[way])

    ratio = median("client", "seconds") / median("pyarrow", "seconds")
    cells = [
        f"{int(median('client', 'rows')):,} {what}",
        f"{median('pyarrow', 'seconds'):.2f} s, {median('pyarrow', 'peak'):.0f} MB",
        f"{median('client', 'seconds'):.2f} s, {median('client', 'peak'):.0f} MB ({median('client', 'before'):.0f} before)",
        f"{ratio:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run it and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    inner = parser.add_argument_group("one reading, as the processes are started")
    inner.add_argument("--way", choices=WAYS)
    inner.add_argument("--url")
    inner.add_argument("--token")
    inner.add_argument("--what", choices=["scenes", "tiles"])
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.url, options.token, options.what)))
        return
    with tempfile.TemporaryDirectory() as folder, live_server(Path(folder)) as server:
        headers = {"Authorization": f"token {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
            fill(client, options.tiles, scene_on_earth)
        print(f"# {options.tiles // TILES_PER_SCENE:,} scenes of {TILES_PER_SCENE} tiles: medians of {options.times}\n")
        print(
            f"| rows | pyarrow, peak memory | frames, peak memory | ratio (limit {LIMIT}) |\n| --- | --- | --- | --- |"
        )
        for what in ("scenes", "tiles"):
            print(compare(server.base_url, server.token, what, options.times))


if __name__ == "__main__":
    main()

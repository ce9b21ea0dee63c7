"""Longest hold of the server by one hostile request of up to 1 MB.

    python -m benchmarks.hostile --times 5

While a real server handles each request, a second client sends small requests. The longest of their latencies is the time
for which the request held the event loop or the interpreter. Other programs on the machine only lengthen it, so the report
has the shortest of `--times` repetitions. The limit is the time of a fixed loop, about 100 ms on a core of 2022, measured
in the same run.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import httpx

from tests.server_process import live_server

MEBIBYTE = 2**20
LOOP = 3_000_000
AOIS = 500


class Request(NamedTuple):
    """A request, with a path below the prefix."""

    method: str
    path: str
    body: bytes | None = None


def repeated(unit: str, opening: str = "", end: str = "") -> bytes:
    """Return a body of 1 MB from a unit."""
    return (opening + unit * ((MEBIBYTE - len(opening) - len(end)) // len(unit)) + end).encode()


def scene(data: str) -> Request:
    """Return the request that adds a scene with these data."""
    return Request(
        "POST", "/aoi/Fyn/scene", f'{{"source_id":"s","aoi":"Fyn","data":{data},"tiles":{{"t":{{}}}}}}'.encode()
    )


def wkt(text: str) -> Request:
    """Return the request that adds a scene with this footprint."""
    return scene(json.dumps({"tiles": {"t": {}}, "wkt": text}))


def ring(positions: int, twist: float) -> str:
    """Return a circle in WKT; it crosses itself unless `twist` is 1."""
    angles = [2 * math.pi * twist * index / positions for index in range(positions)]
    texts = [f"{9 + math.cos(angle):.6f} {55 + math.sin(angle):.6f}" for angle in angles]
    return f"POLYGON (({','.join([*texts, texts[0]])}))"


def strips(count: int) -> str:
    """Return rows and columns that all cross each other, as a MULTIPOLYGON."""
    rows = [(0.0, 0.01 * index, 60.0, 0.01 * index + 0.004) for index in range(count)]
    boxes = rows + [(y0, x0, y1, x1) for x0, y0, x1, y1 in rows]
    parts = (f"(({w} {s},{e} {s},{e} {n},{w} {n},{w} {s}))" for w, s, e, n in boxes)
    return f"MULTIPOLYGON ({','.join(parts)})"


WILDCARDS = quote("*?" * 1_500 + "!", safe="")
REQUESTS = {
    "list of AOIs": Request("GET", "/aoi/"),
    "pattern": Request("GET", f"/aoi/{WILDCARDS}"),
    "pattern of a graph": Request("GET", f"/aoi/{WILDCARDS}/dot"),
    "pattern of a lease": Request(
        "POST",
        "/jobs/downloader/lease",
        json.dumps({"max": 1, "seconds": 60, "worker": "w", "aoi": "*?" * 1_500}).encode(),
    ),
    "backslashes in a pattern": Request("GET", f"/aoi/{quote('*' + chr(92) * 3_000 + 'x', safe='')}/dot"),
    "unpaired surrogates": Request("POST", "/results", repeated("\\ud800", '["', '"]')),
    "texts of surrogates": Request("POST", "/results", repeated('"\\ud800",', "[", "0]")),
    "empty lists": Request("POST", "/results", repeated("[],", "[", "[]]")),
    "objects": Request("POST", "/results", repeated('{"":0},', "[", "{}]")),
    "long numbers": Request("POST", "/results", repeated("9" * 4_000 + ",", "[", "0]")),
    "digits": Request("POST", "/results", repeated("9", "0.")),
    "nesting": Request("POST", "/results", repeated("[")),
    "messages": Request(
        "POST",
        "/results",
        repeated(json.dumps({"type": "scene", "id": 1, "status": "DONE", "message": "a." * 9_000}) + ",", "[", "0]"),
    ),
    "fields": Request("PATCH", "/scene/1/data", repeated("0,", '{"metadata":{"a":[', "0]}}")),
    "tiles without data": scene("{" + '"tiles":{' + ",".join(f'"t{index}":{{}}' for index in range(60_000)) + "}}"),
    "ring": wkt(ring(40_000, 1)),
    "ring that crosses itself": wkt(ring(40_000, 7)),
    "parts that cross each other": wkt(strips(3_000)),
    "nested collections": wkt("GEOMETRYCOLLECTION(" * 50_000),
    "parentheses": wkt("(" * 900_000),
    "time": Request("GET", f"/aoi/Fyn/history?since={'0' * 30_000}"),
    "calendar": Request("GET", "/aoi/Fyn/timeline?steps=1000&until=0001-01-01T00:00:00%2B14:00"),
}


@contextmanager
def latencies(client: httpx.Client) -> Iterator[list[float]]:
    """Send small requests in a thread; list the seconds that each took."""
    seconds: list[float] = []
    ended = threading.Event()

    def probe() -> None:
        while not ended.is_set():
            started = time.perf_counter()
            client.get("/nowhere")
            seconds.append(time.perf_counter() - started)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()


def longest_hold(client: httpx.Client, prober: httpx.Client, request: Request) -> tuple[float, int]:
    """Return the longest latency of a small request during a request, in seconds, and the status of its response."""
    with latencies(prober) as seconds:
        response = client.request(request.method, request.path, content=request.body)
    return max(seconds), response.status_code


def limit() -> float:
    """Return the seconds of the fixed loop."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        sum(index * index for index in range(LOOP))
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Measure every request and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, live_server(Path(folder)) as server:
        headers = {"Authorization": f"token {server.token}"}
        connect = partial(httpx.Client, base_url=server.url, headers=headers, timeout=300, trust_env=False)
        with connect() as client, connect() as prober:
            for name in ("Fyn", *(f"{'a' * 900}{index}" for index in range(AOIS))):
                client.post(f"/aoi/{name}").raise_for_status()
            allowed = limit()
            print(
                f"# Limit: {allowed * 1000:.0f} ms\n\n| request | status | longest hold, ms | of the limit |\n| --- | --- | --- | --- |"
            )
            beyond = []
            for name, request in REQUESTS.items():
                hold, status = min(longest_hold(client, prober, request) for _ in range(options.times))
                print(f"| {name} | {status} | {hold * 1000:.1f} | {hold / allowed:.2f} |", flush=True)
                if hold > allowed:
                    beyond.append(name)
        print(json.dumps({"beyond": beyond}))


if __name__ == "__main__":
    main()

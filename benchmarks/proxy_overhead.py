"""Overhead of a Jupyter server that forwards requests to a shared workflow server.

    python -m benchmarks.proxy_overhead --tiles 20000

The same requests go to `workflow-monitor serve` and to a Jupyter server that forwards them to it, alternating, so that both
see the same load. The delay of an event counts from the request that causes it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from benchmarks.ingestion import AOI, fill
from benchmarks.speed.plots import percentile
from tests.server_process import TOKEN, LiveServer, live_server, served

#: method, path, body
ASKED = {
    "overview": ("GET", f"/aoi/{AOI}", None),
    "one tile": ("GET", "/tile/77", None),
    "page of 100 scenes": ("GET", f"/aoi/{AOI}/scenes?limit=100", None),
    "all tiles as JSON": ("GET", f"/aoi/{AOI}/tiles", None),
    "a result that comes again": ("POST", "/results", [{"type": "tile", "id": 77, "status": "DONE"}]),
}
AT_ONCE = 8
NAMES = ("direct", "passed on")


def asked(client: httpx.Client, name: str) -> float:
    """Milliseconds until one question is answered."""
    method, path, body = ASKED[name]
    started = time.perf_counter()
    client.request(method, path, json=body).raise_for_status()
    return (time.perf_counter() - started) * 1000


def rate(client: httpx.Client, number: int) -> float:
    """Return the requests per second for one tile over several connections."""
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda _: client.get("/tile/77").raise_for_status(), range(number)))
    return number / (time.perf_counter() - started)


@contextmanager
def listening(client: httpx.Client) -> Iterator[dict[int, float]]:
    """When each event arrives, by its number."""
    arrived: dict[int, float] = {}
    with client.stream("GET", f"/aoi/{AOI}/events") as answer:
        lines = answer.iter_lines()
        next(lines)

        def read() -> None:
            # closing the response ends the thread
            with suppress(httpx.HTTPError):
                for line in lines:
                    if line.startswith("id: "):
                        arrived[int(line.removeprefix("id: "))] = time.perf_counter()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        yield arrived


def events(clients: dict[str, httpx.Client], number: int) -> dict[str, list[float]]:
    """Milliseconds from a request until its event is there, at each server."""
    direct = clients["direct"]
    with ExitStack() as stack:
        heard = {name: stack.enter_context(listening(client)) for name, client in clients.items()}
        begun = []
        for turn in range(number):
            begun.append(time.perf_counter())
            direct.put(f"/scene/1/force/{('RETRY', 'PENDING')[turn % 2]}").raise_for_status()
            time.sleep(0.05)
        time.sleep(1)
        found = {name: sorted(times.items()) for name, times in heard.items()}
    return {
        name: [(when - begun[turn]) * 1000 for turn, (_, when) in enumerate(times[:number])]
        for name, times in found.items()
    }


def measured(clients: dict[str, httpx.Client], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Each question's values at each server."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in ASKED:
        found[f"{name}, ms"] = {where: [] for where in clients}
        for _ in range(rounds if "all" not in name else 5):
            for where, client in clients.items():
                found[f"{name}, ms"][where].append(asked(client, name))
    found["an event, ms"] = events(clients, rounds)
    found[f"requests/s, {AT_ONCE} at once"] = {where: [] for where in clients}
    for _ in range(3):
        for where, client in clients.items():
            found[f"requests/s, {AT_ONCE} at once"][where].append(rate(client, rounds * 4))
    return found


def report(found: dict[str, dict[str, list[float]]]) -> None:
    """Print medians, the slow end, and how they compare."""
    print("| asked | direct | passed on | ratio | direct p95 | passed on p95 |\n| --- | --- | --- | --- | --- | --- |")
    for name, values in found.items():
        direct, passed = (statistics.median(values[where]) for where in NAMES)
        slow = [percentile(values[where], 95) for where in NAMES]
        print(f"| {name} | {direct:.1f} | {passed:.1f} | {passed / direct:.2f} | {slow[0]:.1f} | {slow[1]:.1f} |")
    print(json.dumps({name: {where: len(values[where]) for where in NAMES} for name, values in found.items()}))


def _client(server: LiveServer) -> httpx.Client:
    headers = {"Authorization": f"token {TOKEN}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=120)


def main() -> None:
    """Run it and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = stack.enter_context(served(folder / "shared"))
        traits: dict[str, Any] = {"upstream": shared.base_url, "upstream_token": TOKEN, "store_url": ""}
        own = stack.enter_context(live_server(folder / "own", **traits))
        clients = {
            name: stack.enter_context(_client(server)) for name, server in zip(NAMES, (shared, own), strict=True)
        }
        fill(clients["direct"], options.tiles)
        report(measured(clients, options.rounds))


if __name__ == "__main__":
    main()

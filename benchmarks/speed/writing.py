"""Ingesting, reporting and repairing."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import duckdb
import msgspec
import orjson

from benchmarks.ingestion import AOI, TILES_PER_SCENE, batches, scene, scene_on_earth
from benchmarks.speed.plots import Figure, Goal, milliseconds, percentile, timed
from benchmarks.speed.target import Request, Send, Site

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

#: results of one request
BATCH = 1_000
SMALL_AOIS = 200
#: of the scenes, and of the tiles that are worked on
RETRIED_SCENES, RETRIED_TILES = 0.01, 0.02
#: items retried in one batch
BROKEN_SCENES, BROKEN_TILES = 2_000, 20_000
LONG_CHAIN = 1_000
_encode = msgspec.json.encode


def small_aois(site: Site) -> None:
    """The AOIs that are there beside."""
    for number in range(SMALL_AOIS):
        site.json("POST", f"/aoi/small-{number}")
        site.json("POST", f"/aoi/small-{number}/scenes", [scene(index, f"small-{number}") for index in range(4)])


def ingest(site: Site) -> list[Figure]:
    """The whole AOI in batches."""
    site.json("POST", f"/aoi/{AOI}")
    site.forget_peak()
    bodies = (orjson.dumps(batch) for batch in batches(site.tiles // TILES_PER_SCENE, scene_on_earth))
    seconds = 0.0
    for body in bodies:
        seconds += timed(partial(site.post, f"/aoi/{AOI}/scenes", body))
    peak = site.peak_memory()
    scenes, tiles = site.table(f"/aoi/{AOI}/scenes"), site.table(f"/aoi/{AOI}/tiles")
    limit = "DuckDB's insert of the same rows from Arrow"
    return [
        Figure("ingest all, in batches", "s", [seconds], Goal(below=60), limit, [_insert(scenes, tiles)]),
        Figure("memory of the server meanwhile", "MB", [peak], Goal(below=1500)),
    ]


def _insert(scenes: pa.Table, tiles: pa.Table) -> float:
    with TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "limit.duckdb")) as connection:
        connection.execute("SET memory_limit = '1GB'; SET threads = 2")
        connection.register("scenes", scenes)
        connection.register("tiles", tiles)

        def insert() -> None:
            connection.execute("BEGIN; CREATE TABLE scene AS FROM scenes; CREATE TABLE tile AS FROM tiles; COMMIT")
            connection.execute("CHECKPOINT")

        return timed(insert)


def ingest_one_by_one(site: Site) -> Figure:
    """Scenes, each in a request of its own."""
    name = "one-by-one"
    site.json("POST", f"/aoi/{name}")
    # without links, so that the order in which they arrive does not matter
    roots = [orjson.dumps(scene(number, name, 1)) for number in range(site.calls)]
    rates, limits = [], []
    for part in _parts(roots, 3):
        limits.append(site.rate((("POST", site.empty, body) for body in part), 8))
        rates.append(site.rate((("POST", f"/aoi/{name}/scene", body) for body in part), 8))
    return Figure("ingest one by one, 8 connections", "scenes/s", rates, Goal(above=1000), "empty handler", limits)


def report_scenes(site: Site) -> Figure:
    """Report scenes as DONE, some as RETRY."""
    chance = random.Random(1)
    ids = site.table(f"/aoi/{AOI}/scenes")["id"].to_pylist()
    results = [(number, _status(chance, RETRIED_SCENES)) for number in ids]
    rates = [_report(site, "scene", part) for part in _batches(results)]
    return Figure("results of scenes, batches of 1,000", "results/s", rates, Goal(above=20_000))


def report_tiles(site: Site) -> Figure:
    """Report tiles as DONE, date by date along the chains."""
    rates: list[float] = []
    limits: list[float] = []
    with TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "limit.duckdb")) as connection:
        connection.execute("CREATE TABLE event (seq BIGINT, item BIGINT, status VARCHAR, message VARCHAR)")
        connection.register("tiles", site.table(f"/aoi/{AOI}/tiles"))
        connection.execute("CREATE TABLE tile AS FROM tiles")
        # an eighth of them: chains stop at items in RETRY, so small sizes do not reach more
        for part in _batches(islice(_due(site), min(60 * BATCH, site.tiles // 8))):
            rates.append(_report(site, "tile", part))
            limits.append(len(part) / timed(partial(_write_rows, connection, [number for number, _ in part])))
    limit = "a DuckDB transaction that writes the same rows"
    return Figure("results of tiles, batches of 1,000", "results/s", rates, Goal(above=20_000), limit, limits)


def _due(site: Site) -> Iterator[tuple[int, str]]:
    """Return tiles with their results, ordered so that each tile is PENDING once the results before it are applied."""
    chance = random.Random(2)
    tiles = site.table(f"/aoi/{AOI}/tiles").select(["PreviousID", "id", "status", "scene_status"]).to_pydict()
    rows = list(zip(*tiles.values(), strict=True))
    followers = {previous: row for previous, *row in rows if previous is not None}
    reached = [row for previous, *row in rows if previous is None]
    while reached:
        going_on = []
        for number, status, scene_status in reached:
            result = status
            if status in {"NEW", "PENDING"} and scene_status == "DONE":
                result = _status(chance, RETRIED_TILES)
                yield number, result
            if result == "DONE" and number in followers:
                going_on.append(followers[number])
        reached = going_on


def _write_rows(connection: duckdb.DuckDBPyConnection, ids: list[int]) -> None:
    """Write the rows that a batch of results changes: the tiles, their followers, an event for each."""
    connection.execute("BEGIN")
    for status, numbers in (("DONE", ids), ("PENDING", [number + TILES_PER_SCENE for number in ids])):
        connection.execute("UPDATE tile SET status = ? WHERE id IN (SELECT unnest(?))", [status, numbers])
        connection.execute("INSERT INTO event SELECT unnest(?), unnest(?), ?, 'x'", [numbers, numbers, status])
    connection.execute("COMMIT")


def _status(chance: random.Random, retried: float) -> str:
    return "RETRY" if chance.random() < retried else "DONE"


def _report(site: Site, kind: str, part: Sequence[tuple[int, str]]) -> float:
    """Results per second of one request, all of which change something."""
    body = _encode(
        [{"type": kind, "id": item, "status": status, "message": _message(item, status)} for item, status in part]
    )
    started = perf_counter()
    answer = site.post("/results", body)
    seconds = perf_counter() - started
    applied = orjson.loads(answer)["applied"]
    assert applied == len(part), f"{applied} of {len(part)} results were applied"
    return len(part) / seconds


def _message(item: int, status: str) -> str:
    return "" if status == "DONE" else f"downloading product {item}: connection reset after {item % 97} s"


def report_one_by_one(site: Site) -> Figure:
    """Results of tiles, each in a request of its own, which starts the tile that follows."""
    name = "in-pairs"
    site.json("POST", f"/aoi/{name}")
    scenes = [scene(number, name, 2) for number in range(2 * (3 * site.calls // TILES_PER_SCENE))]
    ids = site.json("POST", f"/aoi/{name}/scenes", scenes)["ids"].values()
    for part in _batches((item, "DONE") for item in ids):
        _report(site, "scene", part)
    due = site.table(f"/aoi/{name}/tiles/PENDING")["id"].to_pylist()
    rates, limits = [], []
    for items in _parts(due, 3):
        requests = [_result(item) for item in items]
        limits.append(site.rate((("POST", site.empty, body) for _, _, body in requests), 64))
        rates.append(site.rate(requests, 64))
    done = site.json("GET", f"/aoi/{name}?format=json")["tiles"]["done"]
    assert done == len(due), f"{done} of {len(due)} results were applied"
    goal = Goal(above=0.7, of_limit=True)
    return Figure("results one by one, 64 connections", "results/s", rates, goal, "empty handler", limits)


def _result(item: int, attempt: int | None = None) -> Request:
    result = {"type": "tile", "id": item, "status": "DONE", "message": "", "attempt": attempt}
    return "POST", "/results", _encode([result])


def work_on(site: Site) -> list[Figure]:
    """Workers that report a result and take their next job, 200 times a second."""
    first = {"max": max(200, site.calls // 2), "seconds": 3600, "worker": "w"}
    jobs = deque(site.json("POST", "/jobs/processor/lease", first)["jobs"])
    lease = _encode({"max": 1, "seconds": 3600, "worker": "w"})

    async def work(send: Send) -> None:
        job = jobs.popleft()
        answer = orjson.loads(await send(*_result(job["payload"]["id"], job["attempt"])))
        assert answer["applied"] == 1, answer
        jobs.extend(orjson.loads(await send("POST", "/jobs/processor/lease", lease))["jobs"])

    took = site.paced([work] * len(jobs), 200)
    return [
        Figure("result, then the next job leased, at 200/s: median", "ms", took),
        Figure("result, then the next job leased, at 200/s: p99", "ms", [percentile(took, 99)], Goal(below=25)),
    ]


def retry_all(site: Site) -> Figure:
    """Everything in RETRY of an AOI that is always of the same size, after it has failed again."""
    name = "broken"
    site.json("POST", f"/aoi/{name}")
    total = BROKEN_SCENES + BROKEN_TILES // TILES_PER_SCENE
    numbers = site.json("POST", f"/aoi/{name}/scenes", [scene(number, name, 1) for number in range(total)])
    ids = list(numbers["ids"].values())
    for part in _batches([(item, "DONE") for item in ids[BROKEN_SCENES:]]):
        _report(site, "scene", part)
    tiles = site.table(f"/aoi/{name}/tiles?status=PENDING")["id"].to_pylist()
    seconds = []
    for _ in range(5):
        for kind, failing in (("scene", ids[:BROKEN_SCENES]), ("tile", tiles)):
            for part in _batches([(item, "RETRY") for item in failing]):
                _report(site, kind, part)
        seconds.append(timed(lambda: site.json("PUT", f"/aoi/{name}/retry")))
    return Figure(f"retry of {BROKEN_SCENES:,} scenes and {len(tiles):,} tiles", "s", seconds, Goal(below=1))


def fail_in_the_middle(site: Site) -> Figure:
    """Scenes in the middle of a chain of 1,000."""
    name = "chain"
    site.json("POST", f"/aoi/{name}")
    numbers = site.json(
        "POST", f"/aoi/{name}/scenes", [scene(number, name, LONG_CHAIN) for number in range(LONG_CHAIN)]
    )
    ids = list(numbers["ids"].values())
    middle = count(ids[LONG_CHAIN // 2])
    took = milliseconds(lambda: site.json("PUT", f"/scene/{next(middle)}/fail/force"), 20)
    return Figure("fail a scene in a chain of 1,000", "ms", took, Goal(below=50))


def _batches(items: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    found = iter(items)
    while part := list(islice(found, BATCH)):
        yield part


def _parts(items: list[T], number: int) -> Iterator[list[T]]:
    size = max(1, len(items) // number)
    return (items[start : start + size] for start in range(0, size * number, size))

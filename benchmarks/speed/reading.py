"""Looking: overviews, lists, single items, graphs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from time import perf_counter

import orjson

from benchmarks.ingestion import AOI, TILES_PER_SCENE, scene
from benchmarks.speed.plots import Figure, Goal, milliseconds, timed
from benchmarks.speed.target import ARROW, Site

QUICK = Goal(below=10)
MEDIUM = 3_000


def overviews(site: Site) -> list[Figure]:
    """Overviews: the first and most frequent request."""
    forms = (("text", "text/plain"), ("JSON", "application/json"))
    return [
        Figure(f"overview as {name}", "ms", milliseconds(partial(site.read, f"/aoi/{AOI}", accept), 50), QUICK)
        for name, accept in forms
    ]


def pages(site: Site) -> list[Figure]:
    """A hundred scenes, or tiles, from anywhere in the list."""
    scenes = site.tiles // TILES_PER_SCENE
    asked = {
        "first page of scenes": "/scenes?limit=100",
        "middle page of scenes": f"/scenes?limit=100&page={scenes // 200}",
        "last page of scenes": f"/scenes?limit=100&page={scenes // 100 - 1}",
        "page of scenes in RETRY": "/scenes?limit=100&status=RETRY",
        "page of scenes in FAILED (none)": "/scenes?limit=100&status=FAILED",
        "middle page of tiles": f"/tiles?limit=100&page={site.tiles // 200}",
        "page of tiles in PENDING": "/tiles?limit=100&status=PENDING",
    }
    return [
        Figure(name, "ms", milliseconds(partial(site.read, f"/aoi/{AOI}{path}"), 30), QUICK)
        for name, path in asked.items()
    ]


def all_scenes(site: Site) -> list[Figure]:
    """The whole list as JSON."""
    path = f"/aoi/{AOI}/scenes"
    scenes = orjson.loads(site.client.get(path).content)
    rates, limits, firsts, grown = [], [], [], []
    for _ in range(5):
        size = len(orjson.dumps(scenes))
        limits.append(size / 1e6 / timed(lambda: orjson.dumps(scenes)))
        before = site.memory()
        site.forget_peak()
        started = perf_counter()
        first, length = site.read(path)
        rates.append(length / 1e6 / (perf_counter() - started))
        firsts.append(first * 1e3)
        grown.append(site.peak_memory() - before)
    return [
        Figure("all scenes as JSON", "MB/s", rates, Goal(above=150), "orjson writing the same objects", limits),
        Figure("all scenes as JSON: first byte", "ms", firsts, Goal(below=50)),
        Figure("all scenes as JSON: memory of the server meanwhile", "MB more", grown, Goal(below=100)),
    ]


def all_tiles(site: Site) -> Figure:
    """The whole list as Arrow, beside DuckDB alone."""
    import duckdb

    path = f"/aoi/{AOI}/tiles"
    values, limits = [], []
    with duckdb.connect() as connection:
        connection.register("tiles", site.table(path))
        connection.execute("SET threads = 2; CREATE TABLE tile AS FROM tiles")
        for _ in range(5):
            limits.append(timed(lambda: connection.sql("FROM tile").to_arrow_table()))
            values.append(timed(lambda: site.read(path, ARROW)))
    return Figure("all tiles as Arrow", "s", values, Goal(below=1), "DuckDB's fetch of the same table", limits)


def single_items(site: Site) -> list[Figure]:
    """Single items by id, over eight connections."""
    chance = random.Random(3)
    most = {"tile": site.tiles, "scene": site.tiles // TILES_PER_SCENE}
    figures = []
    for kind, number in most.items():
        rates, limits = [], []
        for _ in range(3):
            limits.append(site.rate((("GET", site.empty, None) for _ in range(site.calls)), 8))
            paths = [f"/{kind}/{chance.randint(1, number)}" for _ in range(site.calls)]
            rates.append(site.rate((("GET", path, None) for path in paths), 8))
        goal = Goal(above=0.9, of_limit=True)
        figures.append(Figure(f"GET /{kind}/{{id}}, 8 connections", "requests/s", rates, goal, "empty handler", limits))
    return figures


def graphs(site: Site) -> list[Figure]:
    """The dependency graph as dot text."""
    name = "medium"
    site.json("POST", f"/aoi/{name}")
    site.json("POST", f"/aoi/{name}/scenes", [scene(number, name) for number in range(MEDIUM)])
    medium = milliseconds(lambda: site.read(f"/aoi/{name}/dot", "text/vnd.graphviz"), 10)
    whole = [timed(lambda: site.read(f"/aoi/{AOI}/dot", "text/vnd.graphviz")) for _ in range(3)]
    return [
        Figure(f"dot of {MEDIUM:,} scenes of {TILES_PER_SCENE} tiles", "ms", medium, Goal(below=100)),
        Figure("dot of everything", "s", whole, Goal(below=5)),
    ]


def panels(site: Site) -> Iterator[Figure]:
    """Requests of the panels."""
    asked = {
        "failures, at most 1,000 of each": "/failures?limit=1000",
        "timeline": "/timeline?steps=100",
        "search": "/find?text=s7_9",
        "lanes": "/lanes",
        "footprints of scenes": "/footprints",
    }
    for name, path in asked.items():
        yield Figure(name, "ms", milliseconds(partial(site.read, f"/aoi/{AOI}{path}", "*/*"), 5))


def list_of_aois(site: Site) -> Figure:
    """All AOIs with their statuses and numbers."""
    return Figure("list of AOIs", "ms", milliseconds(lambda: site.read("/aoi/?counts=true"), 30), QUICK)

"""The example ingestion that everything is measured on: chains of 100 dates, five tiles to a scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

AOI = "speed"
TILES_PER_SCENE = 5
DATES = 100
#: scenes of one request
BATCH = 2_000


def scene(number: int, aoi: str = AOI, dates: int = DATES) -> dict[str, Any]:
    """Scene `number` of the chain; its tiles follow the tiles of the previous scene."""
    track, date = divmod(number, dates)
    tiles = {}
    for index in range(TILES_PER_SCENE):
        link = {"tile": f"t{index}", "scene": f"s{track}_{date - 1}", "root": f"s{track}_0"} if date else None
        tiles[f"t{index}"] = {
            "previous_tile_id": link["tile"] if link else "",
            "previous_scene_id": link["scene"] if link else "",
            "reference_tile_id": link["tile"] if link else "",
            "reference_scene_id": link["root"] if link else "",
            "data": {"swath_id": "IW1", "tile_nr": index, "graph_name": "S1BackscatterCoherence", "is_retriable": True},
        }
    listed = {name: {"swath_id": "IW1", "tile_nr": 1} for name in tiles}
    day = datetime(2015, 1, 4, 10, 34, 31, tzinfo=UTC) + timedelta(days=5 * date)
    data = {"date": day.isoformat(), "tiles": listed, "graph_name": "S1Preprocessing"}
    return {"source_id": f"s{track}_{date}", "aoi": aoi, "data": data, "tiles": tiles, "retry_count": 0}


def scene_on_earth(number: int, aoi: str = AOI) -> dict[str, Any]:
    """The scene of this number with a footprint that no other has."""
    document = scene(number, aoi)
    west, south = (number % 1000) * 0.3 - 170, (number // 1000 % 300) * 0.4 - 60
    ring = [
        [west, south],
        [west + 2.5, south + 0.4],
        [west + 2.2, south + 2.1],
        [west - 0.3, south + 1.7],
        [west, south],
    ]
    document["data"]["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    return document


def batches(scenes: int, scene: Callable[[int], dict[str, Any]] = scene) -> Iterator[list[dict[str, Any]]]:
    """Scenes by their numbers, as many as go into one request."""
    for start in range(0, scenes, BATCH):
        yield [scene(number) for number in range(start, min(start + BATCH, scenes))]


def fill(client: httpx.Client, tiles: int, scene: Callable[[int], dict[str, Any]] = scene) -> None:
    """Make the AOI, of scenes by their numbers."""
    client.post(f"/aoi/{AOI}").raise_for_status()
    for body in batches(tiles // TILES_PER_SCENE, scene):
        client.post(f"/aoi/{AOI}/scenes", json=body, timeout=120).raise_for_status()

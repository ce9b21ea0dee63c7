"""CPU time of a catalogue with footprints, against the same work of Shapely on whole arrays.

    python -m benchmarks.footprints

The limit is the time to parse all geometries as arrays, check, orient and write them as GeoJSON and well-known binary. The
difference to the whole catalogue is the JSON, its validation and the documents of scenes and tiles.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely

from workflow_monitor.documents.footprints import FootprintParser
from workflow_monitor.documents.scene_lists import parse_scenes

TILES_PER_SCENE = 3
REPEATS = 5


def catalogue(scenes: int) -> dict[str, Any]:
    """Return the features of a Geocube catalogue, each with tiles."""
    chance = random.Random(1)
    return {"type": "FeatureCollection", "features": [_feature(index, chance) for index in range(scenes)]}


def _feature(index: int, chance: random.Random) -> dict[str, Any]:
    west, south = chance.uniform(-170, 170), chance.uniform(-80, 75)
    tiles = [
        {"SourceID": f"t{number}", "data": {"tile_nr": number}, "wkt": _area(west + 0.7 * number, south, 0.7).wkt}
        for number in range(TILES_PER_SCENE)
    ]
    footprint = _area(west, south, 2.1)
    return {
        "type": "Feature",
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "properties": {
            "source_id": f"S1A_{index}",
            "data": {"date": "2022-01-11T17:01:24Z", "geometry": json.loads(shapely.to_geojson(footprint))},
            "tiles": tiles,
        },
    }


def _area(west: float, south: float, width: float) -> shapely.Polygon:
    east, north = west + width, south + 1.6
    return shapely.Polygon([(west, south), (east, south + 0.3), (east + 0.2, north), (west + 0.2, north - 0.3)])


def arrays(collection: dict[str, Any]) -> None:
    """Do the same work on whole arrays."""
    properties = [feature["properties"] for feature in collection["features"]]
    texts = [json.dumps(scene["data"]["geometry"]) for scene in properties]
    shapes = np.concatenate(
        (
            shapely.from_geojson(texts),
            shapely.from_wkt([tile["wkt"] for scene in properties for tile in scene["tiles"]]),
        )
    )
    if not shapely.is_valid(shapes).all():
        raise ValueError("an area of the benchmark is invalid")
    oriented = shapely.orient_polygons(shapes)
    shapely.to_geojson(oriented)
    shapely.to_wkb(oriented)
    shapely.bounds(oriented)


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU time of a call, the least of some."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Run it and print a report in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=3_000)
    collection = catalogue(parser.parse_args().scenes)
    body = json.dumps(collection).encode()
    limit = seconds(lambda: arrays(collection))
    footprints = seconds(lambda: FootprintParser().prepare([collection]))
    whole = seconds(lambda: parse_scenes(body, "application/geo+json", "A"))
    count = len(collection["features"])
    print(
        f"{count:,} scenes, {TILES_PER_SCENE * count:,} tiles\n\n| work | CPU s | of the limit |\n| --- | --- | --- |"
    )
    for name, value in (("arrays of Shapely (limit)", limit), ("footprints", footprints), ("whole catalogue", whole)):
        print(f"| {name} | {value:.3f} | {value / limit:.1f} |")


if __name__ == "__main__":
    main()

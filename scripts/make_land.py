"""Write workflow_monitor/widgets/land.js from the countries of Natural Earth at 1:110 million (public domain).

    python scripts/make_land.py ne_110m_admin_0_countries.shp

https://www.naturalearthdata.com/downloads/110m-cultural-vectors/
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas as gpd
import shapely

TARGET = Path(__file__).parents[1] / "workflow_monitor" / "widgets" / "land.js"
#: Steps per degree, finer than a pixel of a small world map
PER_DEGREE = 40
#: Smallest area of a drawn ring, square degrees
SMALLEST = 0.1


def rings(path: str) -> list[list[tuple[int, int]]]:
    """Return the coastlines as closed rings of steps."""
    # The buffer closes gaps between neighbouring countries, so no border remains on land.
    land = gpd.read_file(path).geometry.buffer(0.02).union_all().buffer(-0.02).simplify(0.03)
    coastlines = []
    for part in shapely.get_parts(land):
        if part.area < SMALLEST:
            continue
        steps = [(round(x * PER_DEGREE), round(y * PER_DEGREE)) for x, y in part.exterior.coords[:-1]]
        coastlines.append([step for index, step in enumerate(steps) if step != steps[index - 1]])
    return sorted(coastlines, key=len, reverse=True)


def main() -> None:
    """Write the module: each ring as differences from the previous position."""
    lines = []
    for ring in rings(sys.argv[1]):
        before = (0, 0)
        differences = []
        for step in ring:
            differences += [step[0] - before[0], step[1] - before[1]]
            before = step
        lines.append(" ".join(map(str, differences)))
    TARGET.write_text(
        "// The shores of the world as Natural Earth has them at 1:110 million (public domain); made by scripts/make_land.py.\n"
        f"/** Steps to a degree of longitude and latitude. */\nexport const LAND_STEPS = {PER_DEGREE};\n"
        "/** A ring to a line: first position, then differences, longitude and latitude in turn. */\n"
        "export const LAND = `\n" + "\n".join(lines) + "`;\n",
        encoding="utf-8",
    )
    print(f"{TARGET}: {len(lines)} rings, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

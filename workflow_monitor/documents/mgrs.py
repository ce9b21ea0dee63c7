"""The 100 km squares of the Military Grid Reference System, as rings in longitude and latitude.

Sentinel-2 products carry the name of theirs. The inverse transverse Mercator projection is Krüger's series on the
WGS 84 ellipsoid, exact to a centimetre in a zone and beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache

Position = tuple[float, float]

_PRODUCT = re.compile(r"^S2[A-Z]_.*_T(\d\d[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?=_|\.|$)", re.ASCII)

_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"

# Zones that are wider, or narrower, than six degrees: south-west Norway and Svalbard.
_WIDTHS = {
    (31, "V"): (0, 3),
    (32, "V"): (3, 12),
    (31, "X"): (0, 9),
    (32, "X"): None,
    (33, "X"): (9, 21),
    (34, "X"): None,
    (35, "X"): (21, 33),
    (36, "X"): None,
    (37, "X"): (33, 42),
}

_SIDE = 100_000
_STEPS = 4

_SCALE = 0.9996
_FLATTENING = 1 / 298.257223563
_N = _FLATTENING / (2 - _FLATTENING)
_RECTIFYING_RADIUS = 6378137 / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_BETA = (_N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96, _N**2 / 48 + _N**3 / 15, 17 * _N**3 / 480)
_DELTA = (2 * _N - 2 * _N**2 / 3 - 2 * _N**3, 7 * _N**2 / 3 - 8 * _N**3 / 5, 56 * _N**3 / 15)


def mgrs_cell_of_product(source_id: str) -> tuple[Position, ...] | None:
    """Return the closed, counter-clockwise ring of the MGRS square in a Sentinel-2 product name; None for other names."""
    match = _PRODUCT.match(source_id)
    return square_ring(match[1]) if match else None


@cache
def square_ring(name: str) -> tuple[Position, ...] | None:
    """The ring of a square such as `32UNG`, as far as it lies in its zone and band; None if there is no such square."""
    zone, band, column, row = int(name[:2]), name[2], name[3], name[4]
    if not 1 <= zone <= 60 or column not in _COLUMNS[(zone - 1) % 3]:
        return None
    limits = _limits(zone, band)
    if limits is None:
        return None
    easting = (_COLUMNS[(zone - 1) % 3].index(column) + 1) * _SIDE
    lettered = (_ROWS.index(row) - (0 if zone % 2 else 5)) % 20 * _SIDE
    # Letters repeat every 2,000 km; a band is less high than that.
    for northing in range(lettered, 10_000_000, 20 * _SIDE):
        ring = _clipped(_outline(zone, easting, northing, south=band < "N"), limits)
        if _area(ring) > 1e-9:
            rounded = [(round(longitude, 7), round(latitude, 7)) for longitude, latitude in ring]
            return (*rounded, rounded[0])
    return None


def _limits(zone: int, band: str) -> tuple[float, float, float, float] | None:
    """West, south, east and north of a zone in a band; None where there is no such zone."""
    width = _WIDTHS.get((zone, band), (6 * zone - 186, 6 * zone - 180))
    if width is None:
        return None
    south = -80 + 8 * _BANDS.index(band)
    return width[0], south, width[1], 84 if band == "X" else south + 8


def _outline(zone: int, easting: int, northing: int, *, south: bool) -> list[Position]:
    steps = [index * _SIDE / _STEPS for index in range(_STEPS)]
    corners = [
        *((step, 0.0) for step in steps),
        *((_SIDE, step) for step in steps),
        *((_SIDE - step, _SIDE) for step in steps),
        *((0.0, _SIDE - step) for step in steps),
    ]
    origin = 10_000_000 if south else 0
    return [_position(zone, easting + x, northing + y - origin) for x, y in corners]


def _position(zone: int, easting: float, northing: float) -> Position:
    radius = _SCALE * _RECTIFYING_RADIUS
    north, east = northing / radius, (easting - 500_000) / radius
    xi, eta = north, east
    for order, beta in enumerate(_BETA, 1):
        xi -= beta * math.sin(2 * order * north) * math.cosh(2 * order * east)
        eta -= beta * math.cos(2 * order * north) * math.sinh(2 * order * east)
    conformal = math.asin(math.sin(xi) / math.cosh(eta))
    latitude = conformal + sum(delta * math.sin(2 * order * conformal) for order, delta in enumerate(_DELTA, 1))
    longitude = math.atan2(math.sinh(eta), math.cos(xi))
    return 6 * zone - 183 + math.degrees(longitude), math.degrees(latitude)


def _clipped(ring: list[Position], limits: tuple[float, float, float, float]) -> list[Position]:
    """The part of a ring within a box, side by side."""
    west, south, east, north = limits
    for axis, limit, sign in ((0, west, 1), (1, south, 1), (0, east, -1), (1, north, -1)):
        ring = _clipped_at(ring, lambda position, a=axis, v=limit, s=sign: s * (position[a] - v))  # type: ignore[misc]
    return ring


def _clipped_at(ring: list[Position], inside: Callable[[Position], float]) -> list[Position]:
    kept: list[Position] = []
    for before, position in zip([*ring[-1:], *ring[:-1]], ring, strict=True):
        depth_before, depth = inside(before), inside(position)
        if (depth_before < 0) != (depth < 0):
            share = depth_before / (depth_before - depth)
            kept.append((before[0] + share * (position[0] - before[0]), before[1] + share * (position[1] - before[1])))
        if depth >= 0:
            kept.append(position)
    return kept


def _area(ring: list[Position]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], *ring[:1]], strict=True)) / 2

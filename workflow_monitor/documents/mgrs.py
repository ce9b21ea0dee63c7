"""The 100 km squares of the Military Grid Reference System, as rings in longitude and latitude.

Sentinel-2 products carry the name of theirs.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyproj import Transformer

Position = tuple[float, float]

_SQUARE = r"(\d\d[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])"
_END = r"(?=[_.]|$)"
#: names of ESA and of Earth Search (`S2A_T46RER_…`, `S2B_27VWK_…`), and of Harmonized Landsat Sentinel-2
_PRODUCT = re.compile(rf"(?:S2[A-Z]_(?:.*_T|T?)|HLS(?:-VI)?\.[LS]30\.T){_SQUARE}{_END}", re.ASCII)

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
# A clipped square of less than this many square degrees does not exist in its zone and band.
_MIN_AREA = 1e-9


def mgrs_name_of_product(source_id: str) -> str | None:
    """Return the name of the MGRS square in the name of a Sentinel-2 or HLS product; None for other names.

    >>> mgrs_name_of_product("HLS.S30.T10SDG.2020275T184119.v2.0")
    '10SDG'
    """
    match = _PRODUCT.match(source_id)
    return match[1] if match else None


def mgrs_cell_of_product(source_id: str) -> tuple[Position, ...] | None:
    """Return the closed, counter-clockwise ring of the MGRS square in a product name; None for other names."""
    name = mgrs_name_of_product(source_id)
    return None if name is None else square_ring(name)


@cache
def square_ring(name: str) -> tuple[Position, ...] | None:
    """Return the ring of a square such as `32UNG`, clipped to its zone and band; None if there is no such square."""
    import shapely  # noqa: PLC0415

    zone, band, column, row = int(name[:2]), name[2], name[3], name[4]
    if not 1 <= zone <= 60 or column not in _COLUMNS[(zone - 1) % 3]:
        return None
    limits = _limits(zone, band)
    if limits is None:
        return None
    easting = (_COLUMNS[(zone - 1) % 3].index(column) + 1) * _SIDE
    first_northing = (_ROWS.index(row) - (0 if zone % 2 else 5)) % 20 * _SIDE
    # Letters repeat every 2,000 km; a band is less high than that.
    for northing in range(first_northing, 10_000_000, 20 * _SIDE):
        square = shapely.Polygon(_outline(zone, easting, northing, south=band < "N"))
        clipped = shapely.intersection(square, shapely.box(*limits))
        if clipped.area > _MIN_AREA:
            ring = shapely.orient_polygons(clipped, exterior_cw=False).exterior
            return tuple((round(longitude, 7), round(latitude, 7)) for longitude, latitude in ring.coords)
    return None


def _limits(zone: int, band: str) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of a zone in a band; None where there is no such zone."""
    width = _WIDTHS.get((zone, band), (6 * zone - 186, 6 * zone - 180))
    if width is None:
        return None
    south = -80 + 8 * _BANDS.index(band)
    return width[0], south, width[1], 84 if band == "X" else south + 8


def _outline(zone: int, easting: int, northing: int, *, south: bool) -> list[Position]:
    """Return the outline of a square in longitude and latitude that run on across the antimeridian."""
    steps = [index * _SIDE / _STEPS for index in range(_STEPS)]
    corners = [
        *((step, 0.0) for step in steps),
        *((_SIDE, step) for step in steps),
        *((_SIDE - step, _SIDE) for step in steps),
        *((0.0, _SIDE - step) for step in steps),
    ]
    origin = 10_000_000 if south else 0
    eastings, northings = [easting + x for x, _ in corners], [northing + y - origin for _, y in corners]
    longitudes, latitudes = _from_utm_31().transform(eastings, northings)
    return [(longitude + 6 * (zone - 31), latitude) for longitude, latitude in zip(longitudes, latitudes, strict=True)]


@cache
def _from_utm_31() -> Transformer:
    """Return the transformation from zone 31 to longitude and latitude; the other zones are turns of it."""
    # Its import takes a quarter of a second.
    from pyproj import Transformer  # noqa: PLC0415

    return Transformer.from_crs("EPSG:32631", "OGC:CRS84", always_xy=True)

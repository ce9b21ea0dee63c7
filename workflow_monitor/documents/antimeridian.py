"""Polygons that cross the antimeridian, surround a pole, span the globe or have longitudes beyond 180 degrees.

RFC 7946, section 3.1.9, asks producers to cut such areas at the antimeridian; many catalogues do not. The package
`antimeridian` reads a ring around the south pole that runs westward as an area around the north pole, so the rules are
written here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

    Ring = npt.NDArray[np.float64]

BOX_ACROSS = "Read as a box across the antimeridian; the ring may also mean the longer way around the globe."
BOX_AROUND = "Read as a box around the globe; the ring may also mean the area across the antimeridian."
LONG_WAY = "Read with edges of more than 180 degrees; across the antimeridian the ring has no area."

# Two longitudes or areas that differ by less than this are equal.
_TOLERANCE = 1e-9
# A box across the antimeridian that is this many times higher than wide is a box around the globe: a grid's cell
# centres, such as 179.95 degrees west and east.
_SLENDER = 3


def unroll(polygon: Polygon) -> tuple[Polygon, str]:
    """Return a polygon whose longitudes run on across the antimeridian, and a note if its reading is a guess.

    An edge of more than 180 degrees crosses the antimeridian, except in a box around the globe and in a ring that
    already runs along both sides of the map.
    """
    import shapely  # noqa: PLC0415

    exterior = shapely.get_coordinates(polygon.exterior, include_z=polygon.has_z)
    if not _has_long_edge(exterior) and not any(_has_long_edge(_coordinates(ring)) for ring in polygon.interiors):
        return polygon, ""
    if abs(exterior[:, 0]).max() > 180 + _TOLERANCE:
        # longitudes beyond 180 degrees run on already
        return polygon, ""
    if _runs_along_both_sides(exterior) and polygon.is_valid:
        return polygon, ""
    note = ""
    if _is_box(exterior):
        if _is_global(exterior):
            return polygon, BOX_AROUND
        note = BOX_ACROSS
    ring = _unrolled_ring(exterior)
    holes = [_shifted_behind(_unrolled_ring(_coordinates(hole)), ring[:, 0].min()) for hole in polygon.interiors]
    unrolled = shapely.Polygon(ring, holes)
    if unrolled.area <= _TOLERANCE and polygon.is_valid and polygon.area > _TOLERANCE:
        return polygon, LONG_WAY
    return unrolled, note


def cut(shape: BaseGeometry) -> Polygon | MultiPolygon:
    """Return an area with longitudes beyond 180 degrees as polygons within -180 and 180."""
    import shapely  # noqa: PLC0415
    import shapely.affinity  # noqa: PLC0415

    west, _, east, _ = shape.bounds
    pieces: list[Polygon] = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east - 180) / 360) + 1):
        part = shapely.intersection(shape, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved = shapely.affinity.translate(part, xoff=-360 * turn)
        pieces += [piece for piece in shapely.get_parts(moved) if piece.geom_type == "Polygon" and piece.area > 0]
    united: Polygon | MultiPolygon = shapely.union_all(pieces)
    return united


def _coordinates(ring: BaseGeometry) -> Ring:
    import shapely  # noqa: PLC0415

    positions: Ring = shapely.get_coordinates(ring, include_z=ring.has_z)
    return positions


def _has_long_edge(ring: Ring) -> bool:
    return bool((abs(ring[1:, 0] - ring[:-1, 0]) > 180).any())


def _runs_along_both_sides(ring: Ring) -> bool:
    """Return True if all long edges span the map and the ring has an edge along both its western and eastern side."""
    steps = abs(ring[1:, 0] - ring[:-1, 0])
    if (abs(steps[steps > 180] - 360) > _TOLERANCE).any():
        return False
    is_vertical = (steps <= _TOLERANCE) & (ring[1:, 1] != ring[:-1, 1])
    sides = ring[:-1, 0][is_vertical]
    return bool((abs(sides - 180) <= _TOLERANCE).any() and (abs(sides + 180) <= _TOLERANCE).any())


def _is_box(ring: Ring) -> bool:
    (west, south), (east, north) = ring[:, :2].min(axis=0), ring[:, :2].max(axis=0)
    steps = ring[1:, :2] - ring[:-1, :2]
    area = abs((ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]).sum()) / 2
    is_along_axes = bool((abs(steps).min(axis=1) <= _TOLERANCE).all())
    return is_along_axes and bool(abs(area - (east - west) * (north - south)) <= _TOLERANCE * max(area, 1))


def _is_global(box: Ring) -> bool:
    (west, south), (east, north) = box[:, :2].min(axis=0), box[:, :2].max(axis=0)
    is_centred = max(abs(west + east), abs(south + north)) <= _TOLERANCE
    return bool(is_centred or north - south >= _SLENDER * (360 - (east - west)))


def _unrolled_ring(ring: Ring) -> Ring:
    import numpy as np  # noqa: PLC0415

    steps = ring[1:, 0] - ring[:-1, 0]
    turns = np.concatenate(([0], -np.cumsum(np.where(abs(steps) > 180, np.round(steps / 360), 0))))
    unrolled = ring.copy()
    unrolled[:, 0] += 360 * turns
    if turns[-1] == 0:
        return unrolled
    # The ring surrounds a pole: it closes along that pole.
    ends = unrolled[[-1, 0, 0]].copy()
    ends[:2, 1] = math.copysign(90, ring[:, 1].sum())
    return np.concatenate((unrolled, ends))


def _shifted_behind(ring: Ring, west: float) -> Ring:
    shifted = ring.copy()
    shifted[:, 0] += 360 * math.ceil((west - ring[:, 0].min()) / 360)
    return shifted

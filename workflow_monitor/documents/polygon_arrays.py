"""Outlines of many footprints as a few arrays of numbers for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class PolygonArrays(NamedTuple):
    """The rings of n footprints, in their order.

    The rings of footprint i are `first_ring[i]` to before `first_ring[i + 1]`: none, if it has no geometry. The
    positions of ring r are `first_position[r]` to before `first_position[r + 1]`; the last, which is the first again,
    is left out. Exterior rings run counterclockwise, holes clockwise.
    """

    first_ring: npt.NDArray[np.uint32]
    first_position: npt.NDArray[np.uint32]
    #: shape (number of positions, 2), longitude and latitude in degrees (WGS 84)
    positions: npt.NDArray[np.float32]


def polygon_arrays(footprints: Sequence[bytes | None] | npt.NDArray[np.object_]) -> PolygonArrays:
    """The outlines of polygons and multipolygons in well-known binary; None has none."""
    # They take as long to import as the rest of the server.
    import numpy as np  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    shapes = shapely.from_wkb(np.asarray(footprints, dtype=object))
    polygons, owner = shapely.get_parts(shapes, return_index=True)
    rings, of_polygon = shapely.get_rings(polygons, return_index=True)
    positions, of_ring = shapely.get_coordinates(rings, return_index=True)
    is_last = np.append(of_ring[1:] != of_ring[:-1], True) if len(of_ring) else np.zeros(0, dtype=bool)
    kept = ~is_last
    return PolygonArrays(
        _starts(owner[of_polygon], len(shapes)),
        _starts(of_ring[kept], len(rings)),
        positions[kept].astype(np.float32),
    )


def _starts(owners: npt.NDArray[np.intp], number: int) -> npt.NDArray[np.uint32]:
    """Return the start of each owner's part in a list ordered by owner, and the end of the last part."""
    import numpy as np  # noqa: PLC0415

    return np.concatenate(([0], np.cumsum(np.bincount(owners, minlength=number)))).astype(np.uint32)

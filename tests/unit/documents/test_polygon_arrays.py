from __future__ import annotations

import numpy as np
import shapely

from workflow_monitor.documents.polygon_arrays import polygon_arrays


def wkb(text: str) -> bytes:
    made: bytes = shapely.to_wkb(shapely.from_wkt(text))
    return made


def test_nothing() -> None:
    none = polygon_arrays([])
    assert (none.first_ring.tolist(), none.first_position.tolist(), none.positions.shape) == ([0], [0], (0, 2))


def test_polygons_multipolygons_holes_and_none() -> None:
    hole = wkb("POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 1 2, 2 2, 1 1))")
    two = wkb("MULTIPOLYGON (((170 0, 180 0, 180 5, 170 0)), ((-180 0, -170 0, -180 5, -180 0)))")
    found = polygon_arrays([None, hole, None, two, None])
    assert found.first_ring.tolist() == [0, 0, 2, 2, 4, 4]
    assert found.first_position.tolist() == [0, 4, 7, 10, 13]
    assert found.positions[4:7].tolist() == [[1, 1], [1, 2], [2, 2]]
    assert found.positions[7:].tolist() == [[170, 0], [180, 0], [180, 5], [-180, 0], [-170, 0], [-180, 5]]


def test_heights_are_left_out() -> None:
    assert polygon_arrays([wkb("POLYGON Z ((0 0 7, 1 0 7, 1 1 7, 0 0 7))")]).positions.tolist() == [
        [0, 0],
        [1, 0],
        [1, 1],
    ]


def test_many_footprints_keep_their_own() -> None:
    boxes = [wkb(f"POLYGON (({n} 0, {n} 1, {n + 1} 1, {n} 0))") for n in range(100)]
    found = polygon_arrays(boxes)
    for n in range(100):
        first, last = found.first_ring[n : n + 2]
        assert last == first + 1
        start, stop = found.first_position[first : first + 2]
        assert np.array_equal(found.positions[start:stop], [[n, 0], [n, 1], [n + 1, 1]])

"""Footprints in WGS 84 longitude and latitude, parsed from GeoJSON or WKT, normalized to RFC 7946."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from workflow_monitor.documents.mgrs import mgrs_cell_of_product
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Geometry, Origin

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


#: characters of a position in WKT
_LONGEST_POSITION = 60
_WKB_POLYGON = 3
_AREAS = ("Polygon", "MultiPolygon")
_RANGES = "longitudes within [-180, 180], latitudes within [-90, 90] and finite heights"
_EXPECTED = "a GeoJSON Polygon or MultiPolygon in longitude and latitude (RFC 7946)"


class _PositionLimit:
    """Remaining positions of a footprint under the limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.max_positions

    def spend(self, positions: int, place: str) -> None:
        """Use up positions. Raises InvalidInput for `place` beyond the limit."""
        self._left -= positions
        if self._left < 0:
            _refuse(place, f"has too many positions: {_most(self._limits)}")


def parse_geojson(value: object, field: str, origin: Origin = "geometry", limits: Limits = DEFAULTS) -> Geometry:
    """The footprint that a GeoJSON geometry describes. Raises InvalidInput, which names the place in `field`."""
    if not isinstance(value, Mapping):
        _refuse(field, f"expected {_EXPECTED}, found {_short(value)}")
    unknown = [key for key in value if key not in ("type", "coordinates", "bbox")]
    if unknown and value.get("type") in _AREAS:
        _refuse(f"{field}.{unknown[0]}", "is not a member of a GeoJSON geometry; expected type and coordinates")
    kind, coordinates = value.get("type"), value.get("coordinates")
    if kind not in _AREAS:
        _refuse(f"{field}.type", f"expected Polygon or MultiPolygon, found {_short(kind)}")
    place = f"{field}.coordinates"
    budget = _PositionLimit(limits)
    if kind == "Polygon":
        return _footprint(_polygon(coordinates, place, budget), field, origin)
    if not isinstance(coordinates, list) or not coordinates:
        _refuse(place, f"expected a list of polygons, found {_short(coordinates)}")
    polygons = [_polygon(polygon, f"{place}[{index}]", budget) for index, polygon in enumerate(coordinates)]
    return _footprint(_shapely().MultiPolygon(polygons), field, origin)


def parse_wkt(text: str, field: str, origin: Origin = "wkt", limits: Limits = DEFAULTS) -> Geometry:
    """The footprint that a well-known text describes. Raises InvalidInput, which names the place."""
    if len(text) > limits.max_positions * _LONGEST_POSITION:
        _refuse(field, f"has {len(text)} characters; {_most(limits)}")
    shapely = _shapely()
    try:
        shape = shapely.from_wkt(text)
    except (shapely.errors.ShapelyError, ValueError, NotImplementedError) as error:
        reason = str(error).removeprefix("ParseException: ").split("\n")[0]
        _refuse(field, f"expected POLYGON or MULTIPOLYGON in WKT, found {shorten_for_message(text)} ({reason})")
    if shape.geom_type not in _AREAS or any(part.is_empty for part in shapely.get_parts(shape)) or shape.is_empty:
        _refuse(field, f"expected a POLYGON or MULTIPOLYGON that is not empty, found {shorten_for_message(text)}")
    _check_positions(shape, field, limits)
    return _footprint(shape, field, origin)


def mgrs_square(source_id: str) -> Geometry | None:
    """Return the footprint of the 100 km MGRS square in a Sentinel-2 product name (`_T32UNG_`); None for other names."""
    ring = mgrs_cell_of_product(source_id)
    return None if ring is None else _square(ring)


@cache
def _square(ring: tuple[tuple[float, float], ...]) -> Geometry:
    text = ",".join(f"[{longitude!r},{latitude!r}]" for longitude, latitude in ring)
    longitudes, latitudes = [position[0] for position in ring], [position[1] for position in ring]
    bounds = (min(longitudes), min(latitudes), max(longitudes), max(latitudes))
    numbers = [number for position in ring for number in position]
    wkb = struct.pack(f"<BIII{len(numbers)}d", 1, _WKB_POLYGON, 1, len(ring), *numbers)
    return Geometry(f'{{"type":"Polygon","coordinates":[[{text}]]}}', wkb, bounds, "mgrs")


def footprint(source_id: str, given: Geometry | None, catalogue: Geometry | None = None) -> Geometry | None:
    """The footprint of an item: the one given with it, else the catalogue's, else the square of its name."""
    return given or catalogue or mgrs_square(source_id)


def _shapely() -> ModuleType:
    # Its import takes as long as the rest of the server's start.
    import shapely.affinity  # noqa: PLC0415

    module: ModuleType = shapely
    return module


def _most(limits: Limits) -> str:
    return f"a footprint may have {limits.max_positions} (max_positions)"


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidInput(f"{field}: {message}.", [FieldError(field, message)])


def _short(value: object) -> str:
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return shorten_for_message(value)


def _polygon(rings: object, place: str, budget: _PositionLimit) -> BaseGeometry:
    if not isinstance(rings, list) or not rings:
        _refuse(place, f"expected a list of rings, found {_short(rings)}")
    read = [_ring(ring, f"{place}[{index}]", budget) for index, ring in enumerate(rings)]
    shape: BaseGeometry = _shapely().Polygon(read[0], read[1:])
    return shape


def _ring(positions: object, place: str, budget: _PositionLimit) -> list[tuple[float, ...]]:
    if not isinstance(positions, list) or len(positions) < 4:
        _refuse(place, f"expected a ring of at least 4 positions, found {_short(positions)}")
    budget.spend(len(positions), place)
    read = [_position(position, f"{place}[{index}]") for index, position in enumerate(positions)]
    if read[0] != read[-1]:
        _refuse(place, f"expected a closed ring, found one from {read[0]} to {read[-1]}")
    if len({len(position) for position in read}) > 1:
        _refuse(place, "some positions have a height, others have none")
    return read


def _position(value: object, place: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) not in (2, 3) or any(type(x) not in (int, float) for x in value):
        _refuse(
            place,
            f"expected [longitude, latitude], found {shorten_for_message(value) if _is_small(value) else _short(value)}",
        )
    if not _is_on_the_globe(*value):
        _refuse(place, f"expected {_RANGES}, found {shorten_for_message(value)}")
    return tuple(float(number) for number in value)


def _is_on_the_globe(longitude: float, latitude: float, height: float = 0) -> bool:
    # NaN is within no limits.
    return -180 <= longitude <= 180 and -90 <= latitude <= 90 and abs(height) < math.inf


def _is_small(value: object) -> bool:
    return isinstance(value, list) and len(value) < 9 and not any(isinstance(inner, list | dict) for inner in value)


def _footprint(shape: BaseGeometry, field: str, origin: Origin) -> Geometry:
    shapely = _shapely()
    unrolled = whole = _unrolled(shape)
    if not whole.is_valid and all(part.is_valid for part in shapely.get_parts(whole)):
        # catalogues have overlapping parts; the union is one area
        whole = shapely.union_all(shapely.get_parts(whole))
    if not whole.is_valid:
        _refuse(field, f"expected an area that does not cross itself, found {shapely.is_valid_reason(whole)}")
    if unrolled is not shape:
        whole = _cut(whole)
    whole = shapely.orient_polygons(whole, exterior_cw=False)
    west, south, east, north = (float(bound) for bound in whole.bounds)
    return Geometry(_text(whole), shapely.to_wkb(whole), (west, south, east, north), origin)


def _text(shape: BaseGeometry) -> str:
    text: str = _shapely().to_geojson(shape)
    return text


def _check_positions(shape: BaseGeometry, field: str, limits: Limits) -> None:
    positions = _shapely().get_coordinates(shape, include_z=shape.has_z).tolist()
    _PositionLimit(limits).spend(len(positions), field)
    for number, position in enumerate(positions, 1):
        if not _is_on_the_globe(*position):
            _refuse(field, f"expected {_RANGES}, found {shorten_for_message(position)} at position {number}")


def _unrolled(shape: BaseGeometry) -> BaseGeometry:
    """The same area with longitudes that run on where they jump from one side of the map to the other."""
    west, _, east, _ = shape.bounds
    if east - west <= 180:
        return shape
    shapely = _shapely()
    polygons = list(shape.geoms) if shape.geom_type == "MultiPolygon" else [shape]
    if not any(_jumps(ring) for polygon in polygons for ring in (polygon.exterior, *polygon.interiors)):
        return shape
    unrolled = []
    for polygon in polygons:
        exterior = _unrolled_ring(polygon.exterior.coords)
        west = min(position[0] for position in exterior)
        interiors = [_unrolled_ring(ring.coords) for ring in polygon.interiors]
        unrolled.append(shapely.Polygon(exterior, [_shifted_behind(ring, west) for ring in interiors]))
    return shapely.MultiPolygon(unrolled) if len(unrolled) > 1 else unrolled[0]


def _jumps(ring: BaseGeometry) -> bool:
    longitudes = [position[0] for position in ring.coords]
    return any(abs(a - b) > 180 for a, b in pairwise(longitudes))


def _unrolled_ring(positions: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    turn = 0
    ring = [positions[0]]
    for before, position in pairwise(positions):
        turn -= round((position[0] - before[0]) / 360) if abs(position[0] - before[0]) > 180 else 0
        ring.append((position[0] + 360 * turn, *position[1:]))
    if turn:
        # The ring goes around a pole: along that pole it closes.
        pole = math.copysign(90, sum(position[1] for position in positions))
        ring += [(ring[-1][0], pole, *ring[-1][2:]), (ring[0][0], pole, *ring[0][2:]), ring[0]]
    return ring


def _shifted_behind(ring: list[tuple[float, ...]], west: float) -> list[tuple[float, ...]]:
    turns = math.ceil((west - min(position[0] for position in ring)) / 360)
    return [(position[0] + 360 * turns, *position[1:]) for position in ring]


def _cut(shape: BaseGeometry) -> BaseGeometry:
    """An area with longitudes beyond 180 degrees, in pieces that are within."""
    shapely = _shapely()
    pieces = []
    for turn in (-2, -1, 0, 1, 2):
        part = shapely.intersection(shape, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        moved = shapely.affinity.translate(part, xoff=-360 * turn)
        pieces += [piece for piece in shapely.get_parts(moved) if piece.geom_type == "Polygon" and piece.area > 0]
    return shapely.union_all(pieces)

"""Areas of GeoJSON geometries, with errors that name the place of a wrong member or position."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import Limits

if TYPE_CHECKING:
    from shapely import GeometryCollection, MultiPolygon, Polygon

AREAS = ("Polygon", "MultiPolygon")
COLLECTION = "GeometryCollection"
_MAX_LONGITUDE = 360
RANGES = (
    "longitudes within [-180, 180], or up to 360 beyond the antimeridian, latitudes within [-90, 90] and finite heights"
)
_EXPECTED = "a GeoJSON Polygon or MultiPolygon in longitude and latitude (RFC 7946)"
# The names of WGS 84 in longitude and latitude, in lower case.
_WGS84 = ("crs84", "epsg:4326", "epsg::4326", "epsg/0/4326")


class PositionLimit:
    """Remaining positions of a footprint under the limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.max_positions

    def spend(self, positions: int, place: str) -> None:
        """Use up positions. Raises InvalidInput for `place` beyond the limit."""
        self._left -= positions
        if self._left < 0:
            refuse(place, f"has too many positions: {most_positions(self._limits)}")


def parse_geometry(value: object, field: str, limits: Limits) -> Polygon | MultiPolygon | GeometryCollection:
    """Return the area that a GeoJSON geometry describes, or a collection of areas. Raises InvalidInput."""
    budget = PositionLimit(limits)
    if isinstance(value, Mapping) and value.get("type") == COLLECTION:
        return _collection(value, field, budget)
    return _area(value, field, budget)


def _collection(value: Mapping[str, Any], field: str, budget: PositionLimit) -> GeometryCollection:
    geometries = value.get("geometries")
    if not isinstance(geometries, list) or not geometries:
        refuse(f"{field}.geometries", f"expected a list of geometries, found {_short(geometries)}")
    members = [(member, f"{field}.geometries[{index}]") for index, member in enumerate(geometries)]
    areas = [
        (member, place) for member, place in members if isinstance(member, Mapping) and member.get("type") in AREAS
    ]
    if not areas:
        refuse(f"{field}.geometries", "expected at least one Polygon or MultiPolygon, found none")
    return load_shapely().GeometryCollection([_area(member, place, budget) for member, place in areas])


def _area(value: object, field: str, budget: PositionLimit) -> Polygon | MultiPolygon:
    if not isinstance(value, Mapping):
        refuse(field, f"expected {_EXPECTED}, found {_short(value)}")
    kind, coordinates = value.get("type"), value.get("coordinates")
    if kind not in AREAS:
        refuse(f"{field}.type", f"expected Polygon or MultiPolygon, found {_short(kind)}")
    _check_crs(value, field)
    place = f"{field}.coordinates"
    if kind == "Polygon":
        return _polygon(coordinates, place, budget)
    if not isinstance(coordinates, list) or not coordinates:
        refuse(place, f"expected a list of polygons, found {_short(coordinates)}")
    polygons = [_polygon(polygon, f"{place}[{index}]", budget) for index, polygon in enumerate(coordinates)]
    return load_shapely().MultiPolygon(polygons)


def _check_crs(value: Mapping[str, object], field: str) -> None:
    """Accept the member `crs` of GeoJSON 2008 if it names WGS 84, in longitude and latitude as always in GeoJSON."""
    if value.get("crs") is None:
        return
    crs = value["crs"]
    properties = crs.get("properties") if isinstance(crs, Mapping) else None
    name = properties.get("name") if isinstance(properties, Mapping) else crs
    if not (isinstance(name, str) and name.lower().endswith(_WGS84)):
        refuse(
            f"{field}.crs",
            f"expected OGC:CRS84 or EPSG:4326, found {_short(name)}; transform the coordinates to WGS 84",
        )


def _polygon(rings: object, place: str, budget: PositionLimit) -> Polygon:
    if not isinstance(rings, list) or not rings:
        refuse(place, f"expected a list of rings, found {_short(rings)}")
    exterior, *interiors = [_ring(ring, f"{place}[{index}]", budget) for index, ring in enumerate(rings)]
    return load_shapely().Polygon(exterior, interiors)


def _ring(positions: object, place: str, budget: PositionLimit) -> list[tuple[float, ...]]:
    if not isinstance(positions, list) or len(positions) < 4:
        refuse(place, f"expected a ring of at least 4 positions, found {_short(positions)}")
    budget.spend(len(positions), place)
    ring = [_position(position, f"{place}[{index}]") for index, position in enumerate(positions)]
    if ring[0] != ring[-1]:
        refuse(place, f"expected a closed ring, found one from {ring[0]} to {ring[-1]}")
    if len({len(position) for position in ring}) > 1:
        refuse(place, "some positions have a height, others have none")
    return ring


def _position(value: object, place: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) not in (2, 3) or any(type(x) not in (int, float) for x in value):
        shown = shorten_for_message(value) if _is_small(value) else _short(value)
        refuse(place, f"expected [longitude, latitude], found {shown}")
    if not is_on_the_globe(*value):
        refuse(place, f"expected {RANGES}, found {shorten_for_message(value)}")
    return tuple(float(number) for number in value)


def is_on_the_globe(longitude: float, latitude: float, height: float = 0) -> bool:
    """Return True for a position within the ranges; a longitude may run on beyond the antimeridian."""
    # NaN is within no limits.
    return abs(longitude) <= _MAX_LONGITUDE and abs(latitude) <= 90 and abs(height) < math.inf


def load_shapely() -> ModuleType:
    """Import Shapely on first use."""
    # Its import takes as long as the rest of the server's start.
    import shapely  # noqa: PLC0415

    module: ModuleType = shapely
    return module


def most_positions(limits: Limits) -> str:
    """Return the limit as part of an error message."""
    return f"a footprint may have {limits.max_positions} (max_positions)"


def refuse(field: str, message: str) -> NoReturn:
    """Raise InvalidInput for a field."""
    raise InvalidInput(f"{field}: {message}.", [FieldError(field, message)])


def _short(value: object) -> str:
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return shorten_for_message(value)


def _is_small(value: object) -> bool:
    return isinstance(value, list) and len(value) < 9 and not any(isinstance(inner, list | dict) for inner in value)

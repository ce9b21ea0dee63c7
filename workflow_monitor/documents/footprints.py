"""Footprints in WGS 84 longitude and latitude, parsed from GeoJSON or WKT, normalized to RFC 7946.

`FootprintParser` parses the plain footprints of a body in a few array operations of Shapely; the others pass one by
one through the checks and repairs below. Repairs and guesses leave a note.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import msgspec

from workflow_monitor.documents import antimeridian
from workflow_monitor.documents.geojson_areas import (
    AREAS,
    COLLECTION,
    RANGES,
    PositionLimit,
    is_on_the_globe,
    load_shapely,
    most_positions,
    parse_geometry,
    refuse,
)
from workflow_monitor.documents.mgrs import mgrs_cell_of_product
from workflow_monitor.domain.errors import shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Geometry, Origin

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

    Shapes = npt.NDArray[np.object_]

Value = TypeVar("Value")

#: characters of a position in WKT
_LONGEST_POSITION = 60
_WKB_POLYGON = 3
_PLAIN_WKT = ("POLYGON", "MULTIPOLYGON")
#: fields of scenes and catalogues with a well-known text
_WKT_FIELDS = ("wkt", "GeometryWKT")
# GEOS parses text with the interpreter locked, for some microseconds a footprint.
_BATCH = 500
# GEOS parses types that contain others recursively, and thousands of levels overflow the stack of the process.
_CONTAINER = re.compile("collection|curve|surface", re.IGNORECASE)
_MAX_COLLECTIONS = 16
_SRID = "4326"
# A ring that crosses itself is repaired if the crossing changes its area by less than this fraction.
_MAX_AREA_CHANGE = 0.01
# The time of a repair grows with the square of the positions: these take up to 0.2 seconds.
_MAX_REPAIRED_POSITIONS = 300
_MAX_MERGED_POSITIONS = 1_000

MERGED = "Merged parts that overlap."
COLLECTED = "Merged the polygons of a GeometryCollection; its other members have no area."
WRAPPED = "Wrapped longitudes beyond 180 degrees."


class FootprintParser:
    """Parse the footprints of one body.

    `prepare` parses the plain footprints in decoded documents together; `geojson` and `wkt` return these, or parse one
    footprint with all checks and repairs.
    """

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self._limits = limits
        #: by the identity of the list of coordinates, which is kept so that no other object gets its id
        self._by_coordinates: dict[int, tuple[object, Geometry]] = {}
        self._by_text: dict[str, Geometry] = {}

    def prepare(self, documents: Iterable[object]) -> None:
        """Parse the GeoJSON geometries and well-known texts in documents that need no repair."""
        objects: list[dict[str, Any]] = []
        texts: dict[str, None] = {}
        for value in _footprint_values(documents):
            if isinstance(value, str):
                texts[value] = None
            else:
                objects.append(value)
        if not objects and not texts:
            return
        shapely = load_shapely()
        for part in _batched(objects, _BATCH):
            encoded = [msgspec.json.encode(value).decode() for value in part]
            shapes = _plain_geometries(shapely.from_geojson(encoded, on_invalid="ignore"), self._limits)
            for value, shape in zip(part, shapes, strict=True):
                if shape:
                    self._by_coordinates[id(value["coordinates"])] = value["coordinates"], shape
        longest = self._limits.max_positions * _LONGEST_POSITION
        for plain in _batched([text for text in texts if len(text) <= longest], _BATCH):
            shapes = _plain_geometries(shapely.from_wkt(list(plain), on_invalid="ignore"), self._limits)
            self._by_text |= {text: shape for text, shape in zip(plain, shapes, strict=True) if shape}

    def geojson(self, value: object, field: str, origin: Origin = "geometry") -> Geometry:
        """Return the footprint of a GeoJSON geometry. Raises InvalidInput, which names the place in `field`."""
        coordinates = value.get("coordinates") if _is_plain(value) else None
        prepared = self._by_coordinates.get(id(coordinates))
        return _with_origin(prepared[1], origin) if prepared else parse_geojson(value, field, origin, self._limits)

    def wkt(self, text: str, field: str, origin: Origin = "wkt") -> Geometry:
        """Return the footprint of a well-known text. Raises InvalidInput, which names the place."""
        prepared = self._by_text.get(text)
        return _with_origin(prepared, origin) if prepared else parse_wkt(text, field, origin, self._limits)


def parse_geojson(value: object, field: str, origin: Origin = "geometry", limits: Limits = DEFAULTS) -> Geometry:
    """Return the footprint of a GeoJSON geometry. Raises InvalidInput, which names the place in `field`."""
    return _footprint(parse_geometry(value, field, limits), field, origin)


def parse_wkt(text: str, field: str, origin: Origin = "wkt", limits: Limits = DEFAULTS) -> Geometry:
    """Return the footprint of a well-known text, plain or with an SRID. Raises InvalidInput, which names the place."""
    if len(text) > limits.max_positions * _LONGEST_POSITION:
        refuse(field, f"has {len(text)} characters; {most_positions(limits)}")
    if len(_CONTAINER.findall(text)) > _MAX_COLLECTIONS:
        refuse(field, f"has more than {_MAX_COLLECTIONS} collections; expected POLYGON or MULTIPOLYGON")
    shapely = load_shapely()
    try:
        shape = shapely.from_wkt(_without_srid(text, field))
    except (shapely.errors.ShapelyError, ValueError, NotImplementedError) as error:
        reason = str(error).removeprefix("ParseException: ").split("\n")[0]
        refuse(field, f"expected POLYGON or MULTIPOLYGON in WKT, found {shorten_for_message(text)} ({reason})")
    is_area = shape.geom_type in (*AREAS, COLLECTION) and not shape.is_empty
    if not is_area or (shape.geom_type in AREAS and any(part.is_empty for part in shapely.get_parts(shape))):
        refuse(field, f"expected a POLYGON or MULTIPOLYGON that is not empty, found {shorten_for_message(text)}")
    _check_positions(shape, field, limits)
    return _footprint(shape, field, origin)


def mgrs_square(source_id: str) -> Geometry | None:
    """Return the footprint of the 100 km MGRS square in a product name (`_T32UNG_`); None for other names."""
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
    """Return the footprint of an item: its own, else the catalogue's, else the square in its name."""
    return given or catalogue or mgrs_square(source_id)


# ---- plain footprints, many at a time


def _footprint_values(documents: Iterable[object]) -> Iterator[dict[str, Any] | str]:
    """Yield the plain GeoJSON geometries and well-known texts in decoded documents."""
    values = list(documents)
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        elif _is_plain(value):
            yield value
        elif isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, dict | list):
                    values.append(member)
                elif name in _WKT_FIELDS and isinstance(member, str) and member.startswith(_PLAIN_WKT):
                    yield member


def _is_plain(value: object) -> TypeGuard[dict[str, Any]]:
    return (
        isinstance(value, dict)
        and value.get("type") in AREAS
        and value.keys() <= {"type", "coordinates", "bbox"}
        and isinstance(value.get("coordinates"), list)
    )


def _batched(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _plain_geometries(shapes: Shapes, limits: Limits) -> list[Geometry | None]:
    """Return the footprints of shapes that need no repair, with the origin `geometry`; None for the others."""
    import numpy as np  # noqa: PLC0415

    shapely = load_shapely()
    is_plain = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.has_z(shapes) & shapely.is_valid(shapes)
    west, south, east, north = shapely.bounds(shapes).T
    # a comparison with NaN, the bounds of an empty shape, is false
    is_plain &= (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90) & (east - west <= 180)
    is_plain &= (shapely.area(shapes) > 0) & (shapely.get_num_coordinates(shapes) <= limits.max_positions)
    parts, owners = shapely.get_parts(shapes, return_index=True)
    is_plain[owners[shapely.is_empty(parts)]] = False
    found: list[Geometry | None] = [None] * len(shapes)
    indices = np.flatnonzero(is_plain)
    for index, geometry in zip(indices.tolist(), _geometries(shapes[indices], "geometry"), strict=True):
        found[index] = geometry
    return found


def _geometries(shapes: Shapes, origin: Origin) -> list[Geometry]:
    shapely = load_shapely()
    oriented = shapely.orient_polygons(shapes, exterior_cw=False)
    texts, wkb = shapely.to_geojson(oriented), shapely.to_wkb(oriented)
    bounds = shapely.bounds(oriented).tolist()
    return [Geometry(text, blob, tuple(box), origin) for text, blob, box in zip(texts, wkb, bounds, strict=True)]


def _with_origin(geometry: Geometry, origin: Origin) -> Geometry:
    return geometry if geometry.origin == origin else replace(geometry, origin=origin)


# ---- one footprint, with repairs


def _footprint(shape: BaseGeometry, field: str, origin: Origin) -> Geometry:
    import numpy as np  # noqa: PLC0415

    try:
        whole, note = _normalized(shape, field)
    except load_shapely().errors.GEOSException as error:
        # overlays of nearly parallel edges exceed the precision of GEOS
        refuse(field, f"has edges that are too close to each other ({str(error)[:100]}); simplify the area")
    return replace(_geometries(np.array([whole], dtype=object), origin)[0], note=note)


def _normalized(shape: BaseGeometry, field: str) -> tuple[Polygon | MultiPolygon, str]:
    """Return a valid area within the map, and the notes of its repairs and guesses."""
    shapely = load_shapely()
    notes: list[str] = []
    areas: list[BaseGeometry] = []
    for polygon in _polygons(shape):
        unrolled, note = antimeridian.unroll(polygon)
        area, repair = _repaired(unrolled, field)
        areas.append(area)
        notes += [note, repair]
    is_collection = shape.geom_type == COLLECTION
    whole = areas[0] if shape.geom_type == "Polygon" else shapely.MultiPolygon(shapely.get_parts(areas).tolist())
    if is_collection or not whole.is_valid:
        if shapely.get_num_coordinates(whole) > _MAX_MERGED_POSITIONS:
            refuse(field, f"has parts that overlap and more than {_MAX_MERGED_POSITIONS} positions; expected one area")
        # catalogues have overlapping parts; the union is one area
        whole = shapely.union_all(areas)
        notes.append(COLLECTED if is_collection else MERGED)
    if not whole.area > 0:
        refuse(field, "expected an area, found one without extent")
    west, _, east, _ = shape.bounds
    if west < -180 or east > 180:
        notes.append(WRAPPED)
    west, _, east, _ = whole.bounds
    if west < -180 or east > 180:
        whole = antimeridian.cut(whole)
    return whole, " ".join(dict.fromkeys(filter(None, notes)))


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    """Return the polygons of an area, or of a collection and the collections in it."""
    if shape.geom_type == "Polygon":
        return [shape]
    parts = load_shapely().get_parts(shape).tolist()
    return [polygon for part in parts if part.geom_type in (*AREAS, COLLECTION) for polygon in _polygons(part)]


def _repaired(polygon: Polygon, field: str) -> tuple[Polygon | MultiPolygon, str]:
    """Return a valid area and a note of its repair. Raises InvalidInput if the repair would change the area."""
    if polygon.is_valid:
        return polygon, ""
    shapely = load_shapely()
    reason = shapely.is_valid_reason(polygon)
    if shapely.get_num_coordinates(polygon) > _MAX_REPAIRED_POSITIONS:
        refuse(field, f"expected an area that does not cross itself, found {reason}, too large for a repair")
    area = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    expected = _ring_area(polygon.exterior) - sum(_ring_area(hole) for hole in polygon.interiors)
    if area.geom_type not in AREAS or not area.area > 0 or abs(area.area - expected) > _MAX_AREA_CHANGE * area.area:
        refuse(field, f"expected an area that does not cross itself, found {reason}")
    return area, f"Repaired: {reason}."


def _ring_area(ring: BaseGeometry) -> float:
    """Return the area in square degrees that a ring runs around: lobes in opposite directions cancel out."""
    positions = load_shapely().get_coordinates(ring)
    x, y = positions[:, 0] - positions[0, 0], positions[:, 1] - positions[0, 1]
    return abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2


# ---- WKT


def _without_srid(text: str, field: str) -> str:
    """Strip the SRID of extended WKT and the literal form of OData, `geography'SRID=4326;POLYGON(...)'`."""
    text = text.strip()
    for literal in ("geography'", "geometry'"):
        if text[: len(literal)].lower() == literal and text.endswith("'"):
            text = text[len(literal) : -1].strip()
    if text[:5].upper() != "SRID=":
        return text
    srid, _, wkt = text[5:].partition(";")
    if srid.strip() != _SRID:
        refuse(
            field, f"expected SRID={_SRID}, found SRID={shorten_for_message(srid)}; transform the coordinates to WGS 84"
        )
    return wkt


def _check_positions(shape: BaseGeometry, field: str, limits: Limits) -> None:
    positions = load_shapely().get_coordinates(shape, include_z=shape.has_z)
    PositionLimit(limits).spend(len(positions), field)
    for index, position in enumerate(positions.tolist(), 1):
        if not is_on_the_globe(*position):
            refuse(field, f"expected {RANGES}, found {shorten_for_message(position)} at position {index}")

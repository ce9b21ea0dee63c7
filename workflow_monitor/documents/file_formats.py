"""Names of formats that hold no scenes, and the remedy for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

EXPECTED = (
    "a JSON list of scenes, one scene a line, the FeatureCollection of a Geocube catalogue, STAC items, or a list of scenes "
    "of this server with tiles=true"
)
_AS_FRAME = "load it with geopandas and pass aoi.add_scenes() a GeoDataFrame with source_id, date and geometry"


class _Format(NamedTuple):
    name: str
    remedy: str


_BY_START = (
    (b"PAR1", _Format("a Parquet file", "pass its path, or a GeoDataFrame, to aoi.add_scenes() of the Python client")),
    (b"SQLite format 3\x00", _Format("a GeoPackage", _AS_FRAME)),
    (b"PK\x03\x04", _Format("a ZIP archive, such as a zipped shapefile", _AS_FRAME)),
    (b"\x1f\x8b", _Format("a gzip archive", "unpack it and send the file inside")),
    (b"\x00\x00\x27\x0a", _Format("a shapefile", _AS_FRAME)),
    (b"ARROW1", _Format("an Arrow file", _AS_FRAME)),
    (b"\xff\xff\xff\xff", _Format("an Arrow stream", _AS_FRAME)),
    (b"\x89HDF\r\n", _Format("an HDF5 file", "send the scenes of a catalogue, not a product")),
    (b"II*\x00", _Format("a TIFF image", "send the scenes of a catalogue, not a product")),
    (b"MM\x00*", _Format("a TIFF image", "send the scenes of a catalogue, not a product")),
)
_TEXTS = (
    (b"<", _Format("XML or HTML, such as KML, an Atom feed or an error page", _AS_FRAME)),
    (b"---", _Format("YAML", "convert it to JSON")),
)


def describe_bytes(body: bytes) -> str | None:
    """Return the format and the remedy for a body that is not JSON; None for an unknown one."""
    matches = [form for start, form in _BY_START if body.startswith(start)]
    text = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    matches += [form for start, form in _TEXTS if text.startswith(start)]
    if not matches and _is_table(text):
        matches = [
            _Format(
                "a CSV table", "read it with pandas and pass the frame, with a column source_id, to aoi.add_scenes()"
            )
        ]
    return _sentence(matches[0]) if matches else None


def describe_json(value: object) -> str | None:
    """Return the format and the remedy for a JSON value without scenes; None for an unknown one."""
    for test, form in _JSON:
        if isinstance(value, Mapping) and test(value):
            return _sentence(form)
    return None


def _sentence(form: _Format) -> str:
    return f"This looks like {form.name}: {form.remedy}"


def _is_table(text: bytes) -> bool:
    lines = text[:10_000].splitlines()[:2]
    return len(lines) == 2 and lines[0][:1] not in b"{[\"'" and lines[0].count(b",") > 0


def _properties(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the properties of a feature, or of the first feature of a collection."""
    features = value.get("features")
    feature = features[0] if isinstance(features, list) and features else value
    properties = feature.get("properties") if isinstance(feature, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def _first(values: list[Any]) -> Mapping[str, Any]:
    return values[0] if values and isinstance(values[0], Mapping) else {}


def _columns(source_id: str, date: str, geometry: str = "geometry") -> str:
    return f"pass aoi.add_scenes() a GeoDataFrame with source_id ({source_id}), date ({date}) and geometry ({geometry})"


_Test = Callable[[Mapping[str, Any]], bool]
# tuples, because any JSON value may be compared, and not every one has a hash
_COLLECTIONS = ("Collection", "Catalog")
_FEATURES = ("Feature", "FeatureCollection")
_GEOMETRIES = (
    *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"),
    "GeometryCollection",
)
_JSON: tuple[tuple[_Test, _Format], ...] = (
    (
        lambda value: value.get("type") in _COLLECTIONS and "links" in value,
        _Format(
            "a STAC Collection or Catalog, which holds no items",
            "send the items, such as the response of a STAC search",
        ),
    ),
    (
        lambda value: "stac_version" in value and value.get("type") not in _FEATURES,
        _Format(
            "a STAC Collection or Catalog, which holds no items",
            "send the items, such as the response of a STAC search",
        ),
    ),
    (
        lambda value: isinstance(value.get("collections"), list),
        _Format("a list of STAC Collections", "send the items, such as the response of a STAC search"),
    ),
    (
        lambda value: isinstance(value.get("value"), list) and any(str(key).startswith("@odata") for key in value),
        _Format("an OData response of Copernicus", _columns("Name", "ContentDate.Start", "GeoFootprint")),
    ),
    (
        lambda value: isinstance(value.get("items"), list) and "umm" in _first(value["items"]),
        _Format("a UMM response of NASA CMR", _columns("umm.GranuleUR", "umm.TemporalExtent", "umm.SpatialExtent")),
    ),
    (
        lambda value: isinstance(value.get("feed"), Mapping),
        _Format("an OpenSearch or CMR feed", _columns("title", "time_start or beginposition", "polygons or footprint")),
    ),
    (
        lambda value: "sceneName" in _properties(value),
        _Format("GeoJSON of ASF", _columns("sceneName", "startTime")),
    ),
    (
        lambda value: "productIdentifier" in _properties(value),
        _Format("an OpenSearch response", _columns("title", "startDate")),
    ),
    (
        lambda value: any(
            name.startswith("eodag") or name == "startTimeFromAscendingNode" for name in _properties(value)
        ),
        _Format("GeoJSON of EODAG", _columns("title", "start_datetime or startTimeFromAscendingNode")),
    ),
    (
        lambda value: {"scene", "PreviousID"} <= {*value, *_properties(value)},
        _Format("a list of tiles of this server", "send its scenes, from GET /aoi/{aoi}/scenes?tiles=true"),
    ),
    (
        lambda value: value.get("type") in _FEATURES,
        _Format("GeoJSON without scenes", _AS_FRAME),
    ),
    (
        lambda value: value.get("type") in _GEOMETRIES,
        _Format("a GeoJSON geometry", "send scenes, each with its footprint in data.geometry"),
    ),
)

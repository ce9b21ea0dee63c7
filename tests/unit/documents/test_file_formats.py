"""Bodies without scenes are named after their format."""

import json

import pytest

from workflow_monitor.documents.file_formats import describe_bytes, describe_json
from workflow_monitor.documents.scene_lists import parse_scenes
from workflow_monitor.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"PAR1....", "Parquet"),
        (b"SQLite format 3\0", "GeoPackage"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"ARROW1\0\0", "Arrow"),
        (b"\xff\xff\xff\xff\x10", "Arrow stream"),
        (b"II*\0", "TIFF"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><feed/>", "XML"),
        (b"\n <!DOCTYPE html>", "HTML"),
        (b"---\nid: a\n", "YAML"),
        (b"id,date\na,2022-01-04\n", "CSV"),
    ],
)
def test_formats_of_files(body: bytes, name: str) -> None:
    assert name in (describe_bytes(body) or "")
    with pytest.raises(InvalidInput, match=name):
        parse_scenes(body, "application/json", "A")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"a": 1,\n"b": 2}', b'["a", "b",\n"c"]', b"5", b'"a,b\nc,d"'])
def test_json_is_not_taken_for_another_format(body: bytes) -> None:
    assert describe_bytes(body) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"type": "Collection", "links": []}, "STAC Collection"),
        ({"type": "Catalog", "stac_version": "1.0.0"}, "STAC Collection or Catalog"),
        ({"id": "x", "stac_version": "0.9.0", "links": []}, "STAC Collection or Catalog"),
        ({"collections": [], "links": []}, "list of STAC Collections"),
        ({"@odata.context": "", "value": []}, "OData"),
        ({"hits": 1, "items": [{"umm": {}}]}, "CMR"),
        ({"feed": {}}, "feed"),
        ({"type": "FeatureCollection", "features": [{"properties": {"sceneName": "S1A"}}]}, "ASF"),
        ({"type": "FeatureCollection", "features": [{"properties": {"productIdentifier": "/eodata"}}]}, "OpenSearch"),
        ({"type": "FeatureCollection", "features": [{"properties": {"eodag:provider": "x"}}]}, "EODAG"),
        (
            {"type": "FeatureCollection", "features": [{"properties": {"scene": 1, "PreviousID": None}}]},
            "list of tiles",
        ),
        ({"type": "FeatureCollection", "features": [{"properties": {"name": "Fyn"}}]}, "GeoJSON without scenes"),
        ({"type": "Feature", "properties": {}}, "GeoJSON without scenes"),
        ({"type": "MultiPolygon", "coordinates": []}, "GeoJSON geometry"),
    ],
)
def test_formats_of_json(value: object, name: str) -> None:
    assert name in (describe_json(value) or "")
    with pytest.raises(InvalidInput, match=name):
        parse_scenes(json.dumps(value).encode(), "application/json", "A")


@pytest.mark.parametrize("value", [None, 5, "a", [], {}, {"items": [5]}, {"value": 5}, {"features": 5}, {"scene": 1}])
def test_other_values_have_no_format(value: object) -> None:
    assert describe_json(value) is None

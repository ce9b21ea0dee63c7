"""Content negotiation, and the formats of lists and overviews."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest

from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import Status
from workflow_monitor.server.negotiation import AS_ARROW, AS_GEOJSON, AS_JSON, AS_NDJSON, AS_TEXT, negotiate
from workflow_monitor.server.serialization import FRAMINGS, framed, json_text, overview_document, overview_text

LISTS = (AS_JSON, AS_GEOJSON, AS_NDJSON, AS_ARROW)
OVERVIEWS = (AS_TEXT, AS_JSON)


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "text"),
        ("*/*", "text"),
        ("text/*", "text"),
        ("application/json", "json"),
        ("Application/JSON; charset=utf-8", "json"),
        ("application/json, text/plain, */*", "json"),
        ("text/plain, application/json", "text"),
        ("text/plain;q=0.5, application/json", "json"),
        ("application/*", "json"),
        ("text/plain;q=0, */*", "json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text"),
        ("application/xml", "text"),
        (";;;,,q=;/", "text"),
    ],
)
def test_the_preferred_format_of_the_client_is_chosen(accept: str, name: str) -> None:
    assert negotiate(accept, None, OVERVIEWS).name == name


def test_the_query_takes_precedence_over_accept() -> None:
    assert negotiate("application/json", "GeoJSON", LISTS) is AS_GEOJSON
    with pytest.raises(InvalidInput, match="no format 'xml'"):
        negotiate("", "xml", LISTS)


@pytest.mark.parametrize(
    ("form", "empty", "two"),
    [
        (AS_JSON, b"[]", b"[1,2]"),
        (AS_NDJSON, b"", b"1\n2\n"),
        (
            AS_GEOJSON,
            b'{"type":"FeatureCollection","features":[]}',
            b'{"type":"FeatureCollection","features":[1,\n2]}',
        ),
    ],
)
def test_lists_are_framed(form: object, empty: bytes, two: bytes) -> None:
    framing = FRAMINGS[form]  # type: ignore[index]
    assert b"".join(framed([], framing)) == empty
    assert b"".join(framed([[]], framing)) == empty
    assert b"".join(framed([["1"], [], ["2"]], framing)) == two
    assert b"".join(framed([["1", "2"]], framing)) == two


SUMMARY = AOISummary(
    "Fyn",
    Status.PENDING,
    Counter({Status.PENDING: 10, Status.DONE: 36}),
    Counter({Status.NEW: 10, Status.PENDING: 21, Status.DONE: 15}),
    46,
    date(2022, 1, 4),
    date(2022, 10, 12),
)


def test_the_overview_as_text() -> None:
    assert (
        overview_text(SUMMARY)
        == """\
Scenes:
  new:     0
  pending: 10
  done:    36
  retry:   0
  failed:  0
  Total:   46
Tiles:
  new:     10
  pending: 21
  done:    15
  retry:   0
  failed:  0
  Total:   46

Root tiles : 46
  From: 2022-01-04
  To:   2022-10-12
"""
    )


def test_the_overview_of_an_empty_aoi() -> None:
    empty = AOISummary("Fyn", Status.NEW, Counter(), Counter())
    assert overview_text(empty).endswith("\nRoot tiles : 0\n  From: -\n  To:   -\n")
    document = json.loads(json_text(overview_document(empty)))
    assert document["from"] is None
    assert document["scenes"] == {"new": 0, "pending": 0, "done": 0, "retry": 0, "failed": 0, "total": 0}


def test_the_overview_as_json() -> None:
    assert json.loads(json_text(overview_document(SUMMARY))) == {
        "aoi": "Fyn",
        "status": "PENDING",
        "scenes": {"new": 0, "pending": 10, "done": 36, "retry": 0, "failed": 0, "total": 46},
        "tiles": {"new": 10, "pending": 21, "done": 15, "retry": 0, "failed": 0, "total": 46},
        "root_tiles": 46,
        "from": "2022-01-04",
        "to": "2022-10-12",
    }

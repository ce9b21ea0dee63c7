"""Fuzzing of the functions that read a client's text: the work grows with the length of the text, not faster.

Each text is a short unit, repeated up to the size of a request. The timeouts are far beyond linear work on any machine;
quadratic work on a megabyte takes minutes, and exponential work does not end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from workflow_monitor.documents.footprints import parse_geojson, parse_wkt
from workflow_monitor.documents.mgrs import mgrs_cell_of_product
from workflow_monitor.documents.results import parse_results
from workflow_monitor.documents.rfc3339 import parse_time
from workflow_monitor.documents.strict_json import read_json
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.glob import compile_pattern
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.graph.dot import label_text, quoted_name
from workflow_monitor.server.handlers.params import (
    normalize_path,
    parse_datetime,
    parse_item_id,
    parse_non_negative,
    sanitize_actor,
)
from workflow_monitor.server.negotiation import AS_JSON, AS_TEXT, negotiate
from workflow_monitor.store.reader import parse_item_reference

REQUEST = 2**20
#: longest request line and headers that the server reads
HEADER = 2**16

#: functions that read a text of a header, a path or a query
SHORT_TEXTS: dict[str, Callable[[str], object]] = {
    "pattern": lambda text: compile_pattern(text).matches(text),
    "time of a query": lambda text: parse_datetime("since", text),
    "item id": lambda text: parse_item_id(text, ItemKind.SCENE),
    "item reference": parse_item_reference,
    "page": parse_non_negative,
    "path": normalize_path,
    "actor": sanitize_actor,
    "Accept": lambda text: negotiate(text, None, (AS_TEXT, AS_JSON)),
    "status": Status.parse,
}
#: functions that read a text of a body
LONG_TEXTS: dict[str, Callable[[str], object]] = {
    "date": parse_time,
    "product": mgrs_cell_of_product,
    "graph name": quoted_name,
    "label": label_text,
    "WKT": lambda text: parse_wkt(text, "wkt"),
    "JSON text": lambda text: read_json(json.dumps(text).encode()),
    "JSON": lambda text: read_json(text.encode(errors="surrogatepass")),
    "results": lambda text: parse_results(text.encode(errors="surrogatepass")),
}

units = st.text(min_size=1, max_size=6)
syntax = st.text('\\"&;#*?(),.:-+[]{}0123456789eEtTzZuds_/ \n', min_size=1, max_size=8)
fuzzed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("read", SHORT_TEXTS.values(), ids=SHORT_TEXTS)
@fuzzed
@given(units | syntax, units | syntax | st.just(""))
@example("*?", "!")
@example("../", "a")
@example(";q=0.", "x")
def test_texts_of_headers_and_paths(read: Callable[[str], object], unit: str, end: str) -> None:
    with suppress(InvalidInput, ValueError):
        read(unit * (HEADER // len(unit)) + end)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("read", LONG_TEXTS.values(), ids=LONG_TEXTS)
@fuzzed
@given(units | syntax, units | syntax | st.just(""))
@example("\\", "x")
@example("&", ";")
@example("S2A_", "_T32UNG")
@example("_T32UN", "")
@example("[", "]")
@example("9", "")
@example("1,", "")
@example("\\ud800", "")
def test_texts_of_bodies(read: Callable[[str], object], unit: str, end: str) -> None:
    with suppress(InvalidInput, ValueError):
        read(unit * (REQUEST // len(unit)) + end)


offsets = st.timedeltas(timedelta(hours=-24), timedelta(hours=24)).filter(
    lambda offset: abs(offset) < timedelta(hours=24)
)


@fuzzed
@given(st.datetimes(), offsets)
@example(datetime.min, timedelta(hours=14))  # noqa: DTZ901
@example(datetime.max, timedelta(hours=-12))  # noqa: DTZ901
def test_any_time_of_a_query_has_a_time_in_utc(local: datetime, offset: timedelta) -> None:
    moment = local.replace(tzinfo=timezone(offset))
    parsed = parse_datetime("since", moment.isoformat())
    assert parsed is not None
    assert parsed.tzinfo is UTC
    assert abs(parsed - moment) <= max(offset, -offset)


json_units = st.sampled_from(
    [
        '"\\ud800"',
        '"\\ud83d\\udef0"',
        "[]",
        "{}",
        "1e308",
        "0." + "1" * 300,
        "9" * 18,
        '{"a":[{"b":null}]}',
        '"\\\\ud800"',
    ]
)


@pytest.mark.timeout(120)
@fuzzed
@given(st.lists(json_units, min_size=1, max_size=5))
def test_lists_of_json_values(texts: list[str]) -> None:
    unit = ",".join(texts)
    with suppress(InvalidInput):
        read_json(f"[{','.join([unit] * (REQUEST // (len(unit) + 1)))}]".encode())


numbers = st.floats(-180, 180) | st.sampled_from([-180.0, -90.0, 0.0, 90.0, 180.0])
positions = st.tuples(numbers, numbers.map(lambda value: value / 2)).map(list)


@pytest.mark.timeout(120)
@settings(fuzzed, max_examples=30)
@given(st.lists(positions, min_size=3, max_size=8), st.integers(1, 400), st.floats(0, 1e-3))
def test_footprints_with_repeated_and_shifted_positions(corners: list[list[float]], repeats: int, shift: float) -> None:
    ring: list[Any] = [[min(max(x + shift * index, -180), 180), y] for index in range(repeats) for x, y in corners]
    with suppress(InvalidInput):
        parse_geojson({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, "geometry")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("length", [400_000])
def test_backslashes_in_the_name_of_a_graph(length: int) -> None:
    name = '"' + "\\" * length + "x"
    assert quoted_name(name) == f'"\\"{name[1:]}"'


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "opening",
    ["GEOMETRYCOLLECTION(", "geometrycollection (", "MULTISURFACE(", "MULTICURVE(", "CURVEPOLYGON(COMPOUNDCURVE("],
)
def test_nested_collections_do_not_overflow_the_stack(opening: str) -> None:
    count = REQUEST // len(opening)
    with pytest.raises(InvalidInput, match="expected POLYGON or MULTIPOLYGON"):
        parse_wkt(opening * count + "POLYGON((0 0,1 0,1 1,0 0))" + ")" * opening.count("(") * count, "wkt")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["GeoJSON", "WKT"])
def test_parts_that_cross_each_other_many_times_are_refused(kind: str) -> None:
    """The union of 3,000 rows and 3,000 columns would have 36 million positions."""
    corners: list[tuple[float, float, float, float]] = [(0, 0.01 * n, 60, 0.01 * n + 0.004) for n in range(3_000)]
    corners += [(y0, x0, y1, x1) for x0, y0, x1, y1 in corners]
    rings = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]] for x0, y0, x1, y1 in corners]
    texts = (", ".join(f"{x} {y}" for x, y in ring) for ring in rings)
    wkt = f"MULTIPOLYGON ({', '.join(f'(({text}))' for text in texts)})"
    geojson = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    with pytest.raises(InvalidInput, match="parts that overlap"):
        parse_wkt(wkt, "wkt") if kind == "WKT" else parse_geojson(geojson, "geometry")

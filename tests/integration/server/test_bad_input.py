"""Invalid input: each refusal gives the reason and the limit, and nothing is stored."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.integration.server.conftest import Add, Fetch, scene
from tests.server_process import TOKEN, live_server
from tests.store_snapshot import INSIDE, contents, fill

LONG = "x" * 100_000
POINT = b"[9,54],"
SQUARE = [[9, 54], [10, 54], [10, 55], [9, 55], [9, 54]]
Case = tuple[str, bytes, str]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"token {TOKEN}", "Accept": "application/problem+json"}
    with (
        live_server(tmp_path_factory.mktemp("bad"), max_body_mib=1) as server,
        httpx.Client(base_url=server.url, headers=headers, timeout=120, trust_env=False) as client,
    ):
        fill(client)
        yield client


@pytest.fixture(scope="module")
def refused(http: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Send a request; check that it is refused, and that the store is unchanged."""
    before = contents(http)

    def send(method: str, path: str, status: int = 400, code: str = "invalid-input", **request: Any) -> dict[str, Any]:
        response = http.request(method, path, **request)
        assert response.headers["Content-Type"] == "application/problem+json", response.text
        assert (response.status_code, response.json()["code"]) == (status, code), response.text
        assert contents(http) == before, "the refused request has changed the store"
        assert len(response.text) < 3_000
        assert not [sign for sign in INSIDE if sign in response.text]
        problem: dict[str, Any] = response.json()
        return problem

    return send


TEXTS: list[Case] = [
    ("an empty body", b"", "empty"),
    ("a form", b"graph_name=Other", "not JSON"),
    ("an incomplete object", b'{"source_id": "a', "not JSON"),
    ("a list that is too deep", b"[" * 33 + b"]" * 33, "max_json_depth"),
    ("a list that never ends", b"[" * 500_000, "max_json_depth"),
    ("objects that never end", b'{"a":' * 100_000, "max_json_depth"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "not UTF-8"),
    ("UTF-16 without a mark", '{"a": 1}'.encode("utf-16-le"), "not JSON"),
    ("Latin-1", '{"a": "Århus"}'.encode("latin-1"), "not UTF-8"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "byte order mark"),
    ("an overlong NUL", b'{"a": "\xc0\x80"}', "not UTF-8"),
    ("half a surrogate pair as bytes", b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
    ("gzip", b"\x1f\x8b\x08\x00", "not UTF-8"),
    ("NaN", b'{"a": NaN}', "NaN is no number"),
    ("Infinity", b'{"a": Infinity}', "Infinity is no number"),
    ("-Infinity", b'{"a": -Infinity}', "-Infinity is no number"),
    ("a float beyond floats", b'{"a": 1e400}', "64 bits"),
    ("an integer beyond integers", b'{"a": 123456789012345678901}', "64 bits"),
    ("thousands of digits", b'{"a": ' + b"9" * 5_000 + b"}", "thousands of digits"),
    ("NUL", b'{"a": "\\u0000"}', "NUL"),
    ("NUL as a byte", b'{"a": "\x00"}', "control character"),
    ("a line end in a text", b'{"a": "b\nc"}', "control character"),
    ("a duplicate key", b'{"source_id": "a", "source_id": "b"}', "occurs twice"),
    ("a nested duplicate key", b'{"data": {"tags": {"a": 1, "a": 2}}}', "occurs twice"),
    ("an escaped duplicate key", b'{"a": 1, "\\u0061": 2}', "occurs twice"),
    ("trailing text", b"{} {}", "follows"),
]
BODY_ENDPOINTS = [
    ("POST", "/results"),
    ("POST", "/aoi/Fyn/scene"),
    ("POST", "/aoi/Fyn/scenes"),
    ("PUT", "/scene/1/data"),
    ("PATCH", "/scene/1/data"),
    ("PUT", "/tile/1/data"),
    ("PATCH", "/tile/1/data"),
    ("POST", "/jobs/processor/lease"),
    ("PUT", "/jobs/processor/lease/none"),
]


@pytest.mark.parametrize(("method", "path"), BODY_ENDPOINTS)
@pytest.mark.parametrize(("body", "reason"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_invalid_json_is_refused(
    method: str, path: str, body: bytes, reason: str, refused: Callable[..., dict[str, Any]]
) -> None:
    assert reason in refused(method, path, content=body)["detail"]


@pytest.mark.parametrize(
    ("method", "path"), [endpoint for endpoint in BODY_ENDPOINTS if endpoint[1] != "/aoi/Fyn/scenes"]
)
def test_a_body_over_the_limit_is_refused(method: str, path: str, refused: Callable[..., dict[str, Any]]) -> None:
    body = b" " * (2**20 + 1)
    for content in (body, iter([body[: 2**19], body[2**19 :]])):
        assert "max_body_mib" in refused(method, path, 413, "body-too-large", content=content)["detail"]


def test_a_compressed_body_is_refused(refused: Callable[..., dict[str, Any]]) -> None:
    refused("POST", "/results", 415, "encoded-body", content=b"", headers={"Content-Encoding": "gzip"})


def new(**changes: Any) -> dict[str, Any]:
    """Return a valid scene with the given changes."""
    document = scene("s2")
    document["data"] |= changes.pop("data", {})
    return document | changes


def area(*rings: object, kind: str = "Polygon") -> dict[str, Any]:
    return {"data": {"geometry": {"type": kind, "coordinates": list(rings)}}}


SCENES: list[tuple[str, dict[str, Any], str]] = [
    ("a name of 100 kB", {"source_id": LONG}, "at most 1000 (max_name_length)"),
    ("a tile's name of 100 kB", scene("s2", tiles=(LONG,)), "at most 1000 (max_name_length)"),
    ("a link to a name of 100 kB", scene("s2", after=LONG), "x…"),
    ("an unknown field", {"source": "a"}, "source"),
    ("an unknown field of 100 kB", {LONG: "a"}, "x…"),
    ("a retry count beyond 32 bits", {"retry_count": 2**31}, "retry_count"),
    ("a fractional retry count", {"retry_count": 1.5}, "retry_count"),
    ("a huge retry count", {"retry_count": 1e300}, "retry_count"),
    ("the year 10000", {"data": {"date": "10000-01-01T00:00:00Z"}}, "data.date"),
    ("the month 13", {"data": {"date": "2022-13-01T00:00:00Z"}}, "data.date"),
    ("the 30th of February", {"data": {"date": "2022-02-30T00:00:00Z"}}, "data.date"),
    ("the hour 25", {"data": {"date": "2022-02-03T25:00:00Z"}}, "data.date"),
    ("a date without an offset", {"data": {"date": "2022-02-03T12:00:00"}}, "data.date"),
    ("an offset of two days", {"data": {"date": "2022-02-03T12:00:00+48:00"}}, "data.date"),
    ("a date of 100 kB", {"data": {"date": "2022-02-03T12:00:00." + "0" * 100_000}}, "data.date"),
    ("a date that is a number", {"data": {"date": 1641292471}}, "data.date"),
    ("a self-intersection", area([[9, 54], [10, 55], [10, 54], [9, 55], [9, 54]]), "cross"),
    ("a ring that does not close", area([*SQUARE[:4], [9, 54.5]]), "closed ring"),
    ("a ring of three positions", area(SQUARE[:3]), "at least 4 positions"),
    ("a longitude beyond 360", area([[390, 54], [391, 54], [391, 55], [390, 54]]), "[-180, 180]"),
    ("a latitude beyond 90", area([[9, 89], [10, 89], [10, 91], [9, 89]]), "[-90, 90]"),
    ("a missing ordinate", area([[9, None], *SQUARE[1:]]), "coordinates[0][0]"),
    ("a hole outside", area(SQUARE, [[x + 20, y] for x, y in SQUARE]), "geometry"),
    ("a point", area(9, 54, kind="Point"), "expected Polygon or MultiPolygon"),
    ("too many positions", area([[9, 54]] * 100_001), "may have 100000 (max_positions)"),
    ("NaN in WKT", {"data": {"wkt": "POLYGON ((nan nan, 10 54, 10 55, nan nan))"}}, "data.wkt"),
    ("an infinite ordinate in WKT", {"data": {"wkt": "POLYGON ((1e999 54, 10 54, 10 55, 1e999 54))"}}, "data.wkt"),
    ("a self-intersection in WKT", {"data": {"wkt": "POLYGON ((9 54, 10 55, 10 54, 9 55, 9 54))"}}, "cross"),
]


@pytest.mark.parametrize(("changes", "reason"), [case[1:] for case in SCENES], ids=[case[0] for case in SCENES])
def test_an_invalid_scene_is_refused(
    changes: dict[str, Any], reason: str, refused: Callable[..., dict[str, Any]]
) -> None:
    document = new(**changes)
    assert reason in json.dumps(refused("POST", "/aoi/Fyn/scene", json=document), ensure_ascii=False)
    assert reason in json.dumps(refused("POST", "/aoi/Fyn/scenes", json=[scene("s3"), document]), ensure_ascii=False)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [case[1:] for case in SCENES if list(case[1]) == ["data"]],
    ids=[case[0] for case in SCENES if list(case[1]) == ["data"]],
)
def test_invalid_data_is_refused(
    method: str, changes: dict[str, Any], reason: str, refused: Callable[..., dict[str, Any]]
) -> None:
    response = json.dumps(refused(method, "/scene/1/data", json=changes["data"]), ensure_ascii=False)
    assert reason.removeprefix("data.") in response
    name = refused(method, "/scene/1/data", json={"tiles": {LONG: {}}})
    assert "max_name_length" in name["detail"]


def with_points(member: bytes, points: bytes, end: bytes) -> bytes:
    """Return the JSON of a scene with a footprint of the given points."""
    before, after = json.dumps(new(data={"uuid": "@"})).encode().split(b'"uuid": "@"')
    return before + member + points + end + after


def test_ten_million_points_are_refused(refused: Callable[..., dict[str, Any]]) -> None:
    points = with_points(b'"geometry": {"type": "Polygon", "coordinates": [[', POINT * 10**7, b"[9,54]]]}")
    assert "max_json_values" in refused("POST", "/aoi/Fyn/scenes", content=points)["detail"]
    text = with_points(b'"wkt": "POLYGON ((', b"9 54," * (9 * 10**6), b'9 54))"')
    assert "max_positions" in refused("POST", "/aoi/Fyn/scenes", content=text)["detail"]
    lines = json.dumps(scene("s2")).encode() + b"\n" + (b"{" + b'"a":1,' * 10**6 + b'"b":1}\n') * 12
    assert "max_json_values" in refused("POST", "/aoi/Fyn/scenes", content=lines)["detail"]


@pytest.mark.parametrize("name", ["x" * 1_001, "x" * 50_000, "Fyn%00", "Fyn*", "%3F", "%ED%A0%80"])
def test_an_invalid_aoi_name_is_refused(name: str, refused: Callable[..., dict[str, Any]]) -> None:
    problem = refused("POST", f"/aoi/{name}")
    assert "max_name_length" in problem["detail"] or "x" not in name


def test_a_request_line_over_the_limit_closes_the_connection(http: httpx.Client) -> None:
    before = contents(http)
    address = (http.base_url.host, http.base_url.port or 80)
    head = f"Host: {address[0]}\r\nAuthorization: token {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    # The server closes the connection without a response.
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=60) as connection:
        connection.sendall(f"POST /workflow-monitor/aoi/{LONG} HTTP/1.1\r\n{head}".encode())
        assert not connection.recv(100).startswith(b"HTTP/1.1 2")
    assert contents(http) == before


@pytest.mark.parametrize(
    "body",
    [
        {"max": 0, "seconds": 300, "worker": "w"},
        {"max": 10**9, "seconds": 300, "worker": "w"},
        {"max": 1, "seconds": 10**9, "worker": "w"},
        {"max": 1, "seconds": -1, "worker": "w"},
        {"max": 1.5, "seconds": 300, "worker": "w"},
        {"max": 1, "seconds": 300, "worker": None},
        {"max": 1, "seconds": 300, "worker": "w", "item": 1},
    ],
)
def test_an_invalid_lease_is_refused(body: dict[str, Any], refused: Callable[..., dict[str, Any]]) -> None:
    assert refused("POST", "/jobs/downloader/lease", json=body)["errors"]


@pytest.mark.parametrize("item_id", ["9" * 30, "1e3", "NaN", "0x1", "%D9%A1", "1%00", "9" * 50_000])
def test_an_invalid_id_is_refused(item_id: str, refused: Callable[..., dict[str, Any]]) -> None:
    for method, path in (("GET", f"/scene/{item_id}"), ("PUT", f"/tile/{item_id}/retry")):
        refused(method, path)


def test_invalid_results_are_refused_one_by_one(http: httpx.Client) -> None:
    before = contents(http)
    entries: list[object] = [
        None,
        1,
        "s1",
        [],
        {},
        {"type": "scene", "id": 1},
        {"type": LONG, "id": LONG, "status": LONG},
    ]
    outcomes = http.post("/results", json=entries).raise_for_status().json()
    assert outcomes["applied"] == 0
    assert {entry["outcome"] for entry in outcomes["results"]} == {"refused"}
    assert all(len(entry["reason"]) < 400 for entry in outcomes["results"])
    assert contents(http) == before


class TestLimitTraits:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {
            "max_json_depth": 9,
            "max_json_values": 60,
            "max_name_length": 5,
            "max_positions": 5,
            "max_message_length": 6,
        }

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"source_id": "scene1"}, "at most 5 (max_name_length)"),
            ({"data": {"metadata": {"a": [[[[[[[1]]]]]]]}}}, "more than 9 deep (max_json_depth)"),
            ({"data": {"metadata": {"a": [1] * 60}}}, "at most 60 (max_json_values)"),
            (area([[9, 54], [9.5, 54], *SQUARE[1:]]), "may have 5 (max_positions)"),
        ],
    )
    async def test_a_refusal_names_the_trait(self, fetch: Fetch, change: dict[str, Any], reason: str) -> None:
        await fetch("POST", "/aoi/Fyn")
        assert (await fetch("POST", "/aoi/Fyn/scene", new(**change))).problem(400)["detail"].count(reason) == 1
        if "metadata" in change.get("data", {}):
            return
        assert (await fetch("POST", "/aoi/Fyn/scenes", [new(**change)])).problem(400)["detail"].count(reason) == 1
        assert (await fetch("POST", "/aoi/Fyn/scene", new(**area(SQUARE)))).status == 200

    async def test_the_limit_of_names_applies_to_aois(self, fetch: Fetch) -> None:
        assert "(max_name_length)" in (await fetch("POST", "/aoi/Jutland")).problem(400)["detail"]

    async def test_the_limit_of_positions_applies_to_changed_data(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add()
        data = area([[9, 54], [9.5, 54], *SQUARE[1:]])["data"]
        for method in ("PUT", "PATCH"):
            assert "(max_positions)" in (await fetch(method, f"/scene/{scene_id}/data", data)).problem(400)["detail"]

    async def test_a_long_message_is_truncated_with_a_note(self, fetch: Fetch, add: Add) -> None:
        report = {"type": "scene", "id": await add(), "status": "FAILED", "message": "\x1b[31m" + "é" * 100_000}
        assert (await fetch("POST", "/results", [report])).json()["applied"] == 1
        message = (await fetch("GET", f"/scene/{report['id']}")).json()["message"]
        assert message == "\x1b[31mé… (99999 more characters; max_message_length)"

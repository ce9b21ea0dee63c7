"""What comes in and is not well is refused: the answer says why, names the limit if there is one, and nothing is stored."""

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
    headers = {"Authorization": f"token {TOKEN}"}
    with (
        live_server(tmp_path_factory.mktemp("bad"), max_body_mib=1) as server,
        httpx.Client(base_url=server.url, headers=headers, timeout=120, trust_env=False) as client,
    ):
        fill(client)
        yield client


@pytest.fixture(scope="module")
def refused(http: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Ask, be refused, and see that nothing has changed."""
    before = contents(http)

    def ask(method: str, path: str, status: int = 400, code: str = "invalid-input", **request: Any) -> dict[str, Any]:
        answer = http.request(method, path, **request)
        assert answer.headers["Content-Type"] == "application/problem+json", answer.text
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert contents(http) == before, "what was refused has changed something"
        assert len(answer.text) < 3_000
        assert not [sign for sign in INSIDE if sign in answer.text]
        problem: dict[str, Any] = answer.json()
        return problem

    return ask


TEXTS: list[Case] = [
    ("nothing", b"", "empty"),
    ("no JSON", b"graph_name=Other", "not JSON"),
    ("the half of it", b'{"source_id": "a', "not JSON"),
    ("a list too deep", b"[" * 33 + b"]" * 33, "max_json_depth"),
    ("a list that never ends", b"[" * 500_000, "max_json_depth"),
    ("objects that never end", b'{"a":' * 100_000, "max_json_depth"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "not UTF-8"),
    ("UTF-16 without a mark", '{"a": 1}'.encode("utf-16-le"), "not JSON"),
    ("Latin-1", '{"a": "Århus"}'.encode("latin-1"), "not UTF-8"),
    ("a byte order mark", b"\xef\xbb\xbf{}", "byte order mark"),
    ("an overlong NUL", b'{"a": "\xc0\x80"}', "not UTF-8"),
    ("half a pair as bytes", b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
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
    ("a key twice", b'{"source_id": "a", "source_id": "b"}', "occurs twice"),
    ("a key twice, deep", b'{"data": {"tags": {"a": 1, "a": 2}}}', "occurs twice"),
    ("a key twice, written otherwise", b'{"a": 1, "\\u0061": 2}', "occurs twice"),
    ("something behind it", b"{} {}", "follows"),
]
TAKERS = [
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


@pytest.mark.parametrize(("method", "path"), TAKERS)
@pytest.mark.parametrize(("body", "told"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_a_text_that_is_no_strict_json(
    method: str, path: str, body: bytes, told: str, refused: Callable[..., dict[str, Any]]
) -> None:
    assert told in refused(method, path, content=body)["detail"]


@pytest.mark.parametrize(("method", "path"), [taker for taker in TAKERS if taker[1] != "/aoi/Fyn/scenes"])
def test_a_body_over_the_limit(method: str, path: str, refused: Callable[..., dict[str, Any]]) -> None:
    body = b" " * (2**20 + 1)
    for content in (body, iter([body[: 2**19], body[2**19 :]])):
        assert "max_body_mib" in refused(method, path, 413, "body-too-large", content=content)["detail"]


def test_a_compressed_body(refused: Callable[..., dict[str, Any]]) -> None:
    refused("POST", "/results", 415, "encoded-body", content=b"", headers={"Content-Encoding": "gzip"})


def new(**changes: Any) -> dict[str, Any]:
    """A scene that could be added, but for what is changed."""
    document = scene("s2")
    document["data"] |= changes.pop("data", {})
    return document | changes


def area(*rings: object, kind: str = "Polygon") -> dict[str, Any]:
    return {"data": {"geometry": {"type": kind, "coordinates": list(rings)}}}


SCENES: list[tuple[str, dict[str, Any], str]] = [
    ("a name of 100 kB", {"source_id": LONG}, "at most 1000 (max_name_length)"),
    ("a tile's name of 100 kB", scene("s2", tiles=(LONG,)), "at most 1000 (max_name_length)"),
    ("a link to a name of 100 kB", scene("s2", after=LONG), "x…"),
    ("a field that nobody knows", {"source": "a"}, "source"),
    ("a field of 100 kB that nobody knows", {LONG: "a"}, "x…"),
    ("more retries than fit", {"retry_count": 2**31}, "retry_count"),
    ("retries in halves", {"retry_count": 1.5}, "retry_count"),
    ("retries without end", {"retry_count": 1e300}, "retry_count"),
    ("the year 10000", {"data": {"date": "10000-01-01T00:00:00Z"}}, "data.date"),
    ("the month 13", {"data": {"date": "2022-13-01T00:00:00Z"}}, "data.date"),
    ("the 30th of February", {"data": {"date": "2022-02-30T00:00:00Z"}}, "data.date"),
    ("the hour 25", {"data": {"date": "2022-02-03T25:00:00Z"}}, "data.date"),
    ("no offset", {"data": {"date": "2022-02-03T12:00:00"}}, "data.date"),
    ("an offset of two days", {"data": {"date": "2022-02-03T12:00:00+48:00"}}, "data.date"),
    ("a date of 100 kB", {"data": {"date": "2022-02-03T12:00:00." + "0" * 100_000}}, "data.date"),
    ("a date that is a number", {"data": {"date": 1641292471}}, "data.date"),
    ("a crossing", area([[9, 54], [10, 55], [10, 54], [9, 55], [9, 54]]), "cross"),
    ("a ring that does not close", area([*SQUARE[:4], [9, 54.5]]), "closed ring"),
    ("three positions", area(SQUARE[:3]), "at least 4 positions"),
    ("beyond the map", area([[190, 54], [191, 54], [191, 55], [190, 54]]), "[-180, 180]"),
    ("beyond the pole", area([[9, 89], [10, 89], [10, 91], [9, 89]]), "[-90, 90]"),
    ("no number", area([[9, None], *SQUARE[1:]]), "coordinates[0][0]"),
    ("a hole outside", area(SQUARE, [[x + 20, y] for x, y in SQUARE]), "geometry"),
    ("a point", area(9, 54, kind="Point"), "expected Polygon or MultiPolygon"),
    ("too many positions", area([[9, 54]] * 100_001), "may have 100000 (max_positions)"),
    ("NaN in WKT", {"data": {"wkt": "POLYGON ((nan nan, 10 54, 10 55, nan nan))"}}, "data.wkt"),
    ("an endless WKT", {"data": {"wkt": "POLYGON ((1e999 54, 10 54, 10 55, 1e999 54))"}}, "data.wkt"),
    ("a crossing in WKT", {"data": {"wkt": "POLYGON ((9 54, 10 55, 10 54, 9 55, 9 54))"}}, "cross"),
]


@pytest.mark.parametrize(("changes", "told"), [case[1:] for case in SCENES], ids=[case[0] for case in SCENES])
def test_a_scene_that_cannot_be(changes: dict[str, Any], told: str, refused: Callable[..., dict[str, Any]]) -> None:
    document = new(**changes)
    assert told in json.dumps(refused("POST", "/aoi/Fyn/scene", json=document), ensure_ascii=False)
    assert told in json.dumps(refused("POST", "/aoi/Fyn/scenes", json=[scene("s3"), document]), ensure_ascii=False)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("changes", "told"),
    [case[1:] for case in SCENES if list(case[1]) == ["data"]],
    ids=[case[0] for case in SCENES if list(case[1]) == ["data"]],
)
def test_data_that_cannot_be(
    method: str, changes: dict[str, Any], told: str, refused: Callable[..., dict[str, Any]]
) -> None:
    answer = json.dumps(refused(method, "/scene/1/data", json=changes["data"]), ensure_ascii=False)
    assert told.removeprefix("data.") in answer
    name = refused(method, "/scene/1/data", json={"tiles": {LONG: {}}})
    assert "max_name_length" in name["detail"]


def with_points(member: bytes, points: bytes, end: bytes) -> bytes:
    """A scene with a footprint of so many points."""
    before, after = json.dumps(new(data={"uuid": "@"})).encode().split(b'"uuid": "@"')
    return before + member + points + end + after


def test_ten_million_points(refused: Callable[..., dict[str, Any]]) -> None:
    points = with_points(b'"geometry": {"type": "Polygon", "coordinates": [[', POINT * 10**7, b"[9,54]]]}")
    assert "max_json_values" in refused("POST", "/aoi/Fyn/scenes", content=points)["detail"]
    text = with_points(b'"wkt": "POLYGON ((', b"9 54," * 10**7, b'9 54))"')
    assert "max_positions" in refused("POST", "/aoi/Fyn/scenes", content=text)["detail"]
    lines = json.dumps(scene("s2")).encode() + b"\n" + (b"{" + b'"a":1,' * 10**6 + b'"b":1}\n') * 12
    assert "max_json_values" in refused("POST", "/aoi/Fyn/scenes", content=lines)["detail"]


@pytest.mark.parametrize("name", ["x" * 1_001, "x" * 50_000, "Fyn%00", "Fyn*", "%3F", "%ED%A0%80"])
def test_an_aoi_that_cannot_be(name: str, refused: Callable[..., dict[str, Any]]) -> None:
    problem = refused("POST", f"/aoi/{name}")
    assert "max_name_length" in problem["detail"] or "x" not in name


def test_a_name_that_is_too_long_for_an_address(http: httpx.Client) -> None:
    before = contents(http)
    address = (http.base_url.host, http.base_url.port or 80)
    head = f"Host: {address[0]}\r\nAuthorization: token {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    # Such a head is no request: the connection is closed.
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
def test_jobs_that_cannot_be_leased(body: dict[str, Any], refused: Callable[..., dict[str, Any]]) -> None:
    assert refused("POST", "/jobs/downloader/lease", json=body)["errors"]


@pytest.mark.parametrize("number", ["9" * 30, "1e3", "NaN", "0x1", "%D9%A1", "1%00", "9" * 50_000])
def test_ids_that_are_none(number: str, refused: Callable[..., dict[str, Any]]) -> None:
    for method, path in (("GET", f"/scene/{number}"), ("PUT", f"/tile/{number}/retry")):
        refused(method, path)


def test_entries_that_are_no_results(http: httpx.Client) -> None:
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
    answers = http.post("/results", json=entries).raise_for_status().json()
    assert answers["applied"] == 0
    assert {answer["outcome"] for answer in answers["results"]} == {"refused"}
    assert all(len(answer["reason"]) < 400 for answer in answers["results"])
    assert contents(http) == before


class TestLimitsAreTraits:
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
        ("change", "told"),
        [
            ({"source_id": "scene1"}, "at most 5 (max_name_length)"),
            ({"data": {"metadata": {"a": [[[[[[[1]]]]]]]}}}, "more than 9 deep (max_json_depth)"),
            ({"data": {"metadata": {"a": [1] * 60}}}, "at most 60 (max_json_values)"),
            (area([[9, 54], [9.5, 54], *SQUARE[1:]]), "may have 5 (max_positions)"),
        ],
    )
    async def test_and_named(self, fetch: Fetch, change: dict[str, Any], told: str) -> None:
        await fetch("POST", "/aoi/Fyn")
        assert (await fetch("POST", "/aoi/Fyn/scene", new(**change))).problem(400)["detail"].count(told) == 1
        if "metadata" in change.get("data", {}):
            return
        assert (await fetch("POST", "/aoi/Fyn/scenes", [new(**change)])).problem(400)["detail"].count(told) == 1
        assert (await fetch("POST", "/aoi/Fyn/scene", new(**area(SQUARE)))).status == 200

    async def test_for_names_of_aois(self, fetch: Fetch) -> None:
        assert "(max_name_length)" in (await fetch("POST", "/aoi/Jutland")).problem(400)["detail"]

    async def test_for_data_that_is_changed(self, fetch: Fetch, add: Add) -> None:
        number = await add()
        data = area([[9, 54], [9.5, 54], *SQUARE[1:]])["data"]
        for method in ("PUT", "PATCH"):
            assert "(max_positions)" in (await fetch(method, f"/scene/{number}/data", data)).problem(400)["detail"]

    async def test_a_message_is_cut_and_says_so(self, fetch: Fetch, add: Add) -> None:
        report = {"type": "scene", "id": await add(), "status": "FAILED", "message": "\x1b[31m" + "é" * 100_000}
        assert (await fetch("POST", "/results", [report])).json()["applied"] == 1
        kept = (await fetch("GET", f"/scene/{report['id']}")).json()["message"]
        assert kept == "\x1b[31mé… (99999 more characters; max_message_length)"

"""Jupyter servers of one user over one file: the first has it, the others ask the first, and one follows it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.integration.server.conftest import scene
from tests.server_process import TOKEN, LiveServer, live_server

HEADERS = {"Authorization": f"token {TOKEN}".encode(), "X-Workflow-Monitor-Actor": "Åse 北".encode()}


def at(server: LiveServer, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=f"{server.url}/", trust_env=False, **{"headers": HEADERS, "timeout": 60, **options})


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def owner_of(store: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.with_name(f"{store.name}.lock").read_text())
    return found


@dataclass
class Pair:
    """Two servers over one file, and a client for each."""

    store: Path
    first: LiveServer
    second: LiveServer
    at_first: httpx.Client
    at_second: httpx.Client


@contextmanager
def pair(folder: Path, **options: Any) -> Iterator[Pair]:
    store = folder / "workflow.duckdb"
    shared: dict[str, Any] = {"store_url": f"duckdb:///{store}", "keep_alive_seconds": 0.2}
    with ExitStack() as stack:
        first = stack.enter_context(live_server(folder / "first", **shared))
        until(lambda: bool(owner_of(store)["contact"]))
        second = stack.enter_context(live_server(folder / "second", "/user/eva/", **shared, **options))
        clients = [stack.enter_context(at(server)) for server in (first, second)]
        yield Pair(store, first, second, *clients)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    # The second looks at each request who has the store.
    traits = {"max_body_mib": 1, "max_ingest_mib": 3, "max_streams": 2, "retry_opening_seconds": 0.0}
    with pair(tmp_path_factory.mktemp("pair"), **traits) as servers:
        servers.at_second.post("aoi/Fyn").raise_for_status()
        scenes = [scene(f"s{number}", tiles=("a", "b")) for number in range(500)]
        answer = servers.at_second.post("aoi/Fyn/scenes", json=scenes).raise_for_status()
        assert answer.json()["scenes"] == 500
        yield servers


READS = {
    "": {},
    "aoi/": {},
    "aoi/Fyn": {},
    "aoi/F*?format=json": {},
    "aoi/Fyn/scenes?limit=3&page=2": {},
    "aoi/Fyn/scenes": {"Accept": "application/geo+json"},
    "aoi/Fyn/tiles?format=ndjson": {},
    "aoi/Fyn/dot": {},
    "aoi/Fyn/lanes": {},
    "aoi/Fyn/history": {},
    "scene/1/consequences": {},
    "jobs/downloader?state=queued&limit=5": {},
}


@pytest.mark.parametrize("path", READS)
def test_the_second_answers_what_the_first_answers(two: Pair, path: str) -> None:
    ours, theirs = (
        client.get(path, headers=READS[path]).raise_for_status() for client in (two.at_second, two.at_first)
    )
    assert ours.content == theirs.content
    for name in ("Content-Type", "Vary", "Content-Security-Policy", "X-Content-Type-Options"):
        assert ours.headers.get(name) == theirs.headers.get(name), name


def test_arrow_arrives_whole(two: Pair) -> None:
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    ours, theirs = (client.get("aoi/Fyn/tiles", headers=headers) for client in (two.at_second, two.at_first))
    assert ours.headers["Content-Type"] == headers["Accept"]
    # What fills its gaps differs from time to time.
    tables = [pa.ipc.open_stream(answer.content).read_all() for answer in (ours, theirs)]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 1000


def test_panels_find_that_their_page_and_their_kernel_ask_the_same(two: Pair) -> None:
    instances = {client.get("?format=json").json()["instance"] for client in (two.at_first, two.at_second)}
    assert len(instances) == 1


def test_who_did_it_is_passed_on(two: Pair) -> None:
    two.at_second.put("scene/2/force/RETRY").raise_for_status()
    last = two.at_first.get("aoi/Fyn/history?type=scene&id=2").json()[-1]
    assert (last["to"], last["who"]) == ("RETRY", "Åse 北")
    with at(two.second, headers={"Authorization": f"token {TOKEN}"}) as nameless:
        nameless.put("scene/2/retry").raise_for_status()
    assert two.at_first.get("aoi/Fyn/history?type=scene&id=2").json()[-1]["who"] == "token"


def test_names_go_through_as_they_are(two: Pair) -> None:
    name = "a%2Fb%20%25%2E"
    assert two.at_second.post(f"aoi/{name}").status_code == 204
    assert {"ID": "a/b %.", "status": "NEW"} in two.at_first.get("aoi/").json()
    assert two.at_second.get("aoi/a%2F*?format=json").json() == [{"ID": "a/b %.", "status": "NEW"}]
    assert two.at_second.delete(f"aoi/{name}").status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "aoi/Als", None, 404, "aoi-not-found"),
        ("GET", "moon", None, 404, "path-not-found"),
        ("POST", "aoi/Fyn", None, 409, "aoi-exists"),
        ("PUT", "scene/1/retry", None, 409, "status-does-not-allow"),
        ("POST", "results", b"{", 400, "invalid-input"),
        ("POST", "aoi/Fyn/scenes", json.dumps([scene("s1")]).encode(), 409, "scene-exists"),
        ("PATCH", "aoi/Fyn", None, 405, "method-not-allowed"),
        ("POST", "results", b" " * (2**20 + 1), 413, "body-too-large"),
        ("POST", "aoi/Fyn/scenes", b" " * (3 * 2**20 + 1), 413, "body-too-large"),
    ],
)
def test_problems_are_told_as_by_the_first(
    two: Pair, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    answer = two.at_second.request(method, path, content=body)
    document = answer.json()
    assert (answer.status_code, document["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["type"] == f"/user/eva/workflow-monitor/docs#{code}"
    if status != 413:
        theirs = two.at_first.request(method, path, content=body)
        assert document["detail"] == theirs.json()["detail"]
        assert answer.headers.get("Allow") == theirs.headers.get("Allow")


def test_bodies_go_through_up_to_the_limit(two: Pair) -> None:
    two.at_second.post("aoi/Large").raise_for_status()
    body = json.dumps([scene("large", aoi="Large")]).encode()
    answer = two.at_second.post("aoi/Large/scenes", content=body + b" " * (3 * 2**20 - len(body)))
    assert answer.json()["scenes"] == 1
    two.at_second.delete("aoi/Large").raise_for_status()


# ---- who may


def test_the_docs_are_the_servers_own(two: Pair) -> None:
    assert two.at_second.get("openapi.json").json()["servers"][0]["url"] == "/user/eva/workflow-monitor"
    assert two.at_second.get("docs").status_code == 200


def test_strangers_are_refused_here(two: Pair) -> None:
    for method, path in (("GET", "aoi/"), ("PUT", "scene/1/force/DONE"), ("GET", "events")):
        with at(two.second, headers={}) as stranger:
            answer = stranger.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), path


def test_a_browser_needs_its_xsrf_token(two: Pair) -> None:
    with at(two.second, headers={}, follow_redirects=True) as browser:
        browser.get(f"{two.second.base_url}api/status", params={"token": TOKEN}).raise_for_status()
        browser.get(f"{two.second.base_url}login")
        assert browser.get("aoi/").status_code == 200
        refused = browser.put("scene/3/force/RETRY")
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
        assert two.at_first.get("scene/3").json()["status"] == "PENDING"
        token = {"X-XSRFToken": browser.cookies["_xsrf"], "X-Workflow-Monitor-Actor": "eva"}
        browser.put("scene/3/force/RETRY", headers=token).raise_for_status()
    assert two.at_first.get("aoi/Fyn/history?type=scene&id=3").json()[-1]["who"] == "eva"


def test_the_token_of_a_client_is_not_passed_on(two: Pair) -> None:
    with at(two.second, headers={}) as client:
        answer = client.get("aoi/Fyn/scenes", params={"token": TOKEN, "limit": 1})
    assert len(answer.json()) == 1
    told = f"{two.first.log.read_text()}{two.second.log.read_text()}"
    assert TOKEN not in two.first.log.read_text()
    assert json.loads(owner_of(two.store)["contact"])["key"] not in told


def test_only_the_key_of_the_file_opens_the_first(two: Pair) -> None:
    key = json.loads(owner_of(two.store)["contact"])["key"]
    for authorization, status in ((f"Peer {key}", 200), (f"Peer {key[:-1]}", 403), ("Peer x", 403), ("Peer \xff", 403)):
        headers = {"Authorization": authorization.encode("latin-1")}
        with at(two.first, headers=headers) as peer:
            assert peer.get("aoi/").status_code == status, authorization
        with at(two.first, headers=headers) as peer:
            assert peer.get(f"{two.first.base_url}api/contents").status_code == 403
    with at(two.second, headers={"Authorization": f"Peer {key}"}) as peer:
        assert peer.get("aoi/").status_code == 403
    assert two.store.with_name("workflow.duckdb.lock").stat().st_mode & 0o777 == 0o600


# ---- events


def transitions(lines: Iterator[str], number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith("data: {") and line != "data: {}":
            found.append(json.loads(line.removeprefix("data: ")))
        if len(found) == number:
            break
    return found


@contextmanager
def following(client: httpx.Client, path: str, **options: Any) -> Iterator[httpx.Response]:
    """A stream of events; for as long as those that have just ended leave no room, it is tried again."""
    deadline = time.monotonic() + 30
    while True:
        with client.stream("GET", path, **options) as live:
            if live.status_code != 429:
                assert live.status_code == 200
                yield live
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_events_come_through_as_they_happen_and_are_resumed(two: Pair) -> None:
    with following(two.at_second, "aoi/Fyn/events") as live:
        lines = live.iter_lines()
        assert next(lines) == "retry: 2000"
        assert live.headers["Content-Type"] == "text/event-stream"
        assert (live.headers["Cache-Control"], live.headers["X-Accel-Buffering"]) == ("no-cache", "no")
        two.at_first.put("scene/4/force/RETRY").raise_for_status()
        [heard] = transitions(lines, 1)
        assert (heard["id"], heard["to"]) == (4, "RETRY")
    two.at_first.put("scene/4/retry").raise_for_status()
    for headers, query in (({"Last-Event-ID": str(heard["seq"])}, ""), ({}, f"?after={heard['seq']}")):
        with following(two.at_second, f"aoi/Fyn/events{query}", headers=headers) as rest:
            assert transitions(rest.iter_lines(), 1)[0]["to"] == "PENDING"


def test_a_stream_outlives_a_look_at_who_has_the_store(two: Pair) -> None:
    with following(two.at_second, "aoi/Fyn/events") as live:
        lines = live.iter_lines()
        for _ in range(3):
            two.at_second.put("scene/5/force/RETRY").raise_for_status()
            two.at_second.put("scene/5/retry").raise_for_status()
        assert len(transitions(lines, 6)) == 6


def test_streams_are_limited_here_too(two: Pair) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(two.at_second.stream("GET", "events")) for _ in range(3)]
        assert [answer.status_code for answer in opened][-1] == 429
        assert opened[-1].headers["Retry-After"]
        assert json.loads(opened[-1].read())["code"] == "too-many-streams"

    def is_open() -> bool:
        with two.at_second.stream("GET", "events") as again:
            return again.status_code == 200

    until(is_open)


# ---- when the first ends


def test_the_second_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        two.at_second.post("aoi/Fyn").raise_for_status()
        two.at_second.post("aoi/Fyn/scenes", json=[scene(f"s{number}") for number in range(5)]).raise_for_status()
        with two.at_second.stream("GET", "events?after=0") as stream:
            lines = stream.iter_lines()
            heard = transitions(lines, 11)
            two.first.process.send_signal(signal.SIGKILL)
            two.first.process.wait(30)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        # The very next write is done, by the second itself, and the numbers of events go on.
        two.at_second.put("scene/1/force/RETRY").raise_for_status()
        assert owner_of(two.store)["pid"] == two.second.process.pid
        with two.at_second.stream("GET", "events", headers={"Last-Event-ID": str(heard[-1]["seq"])}) as stream:
            assert transitions(stream.iter_lines(), 1)[0]["seq"] == heard[-1]["seq"] + 1
        assert "http://" not in two.at_second.get("aoi/Als").json()["detail"]
        with live_server(tmp_path / "first", store_url=f"duckdb:///{two.store}") as third, at(third) as at_third:
            assert at_third.get("scene/1").json()["status"] == "RETRY"
            at_third.put("scene/1/retry").raise_for_status()
            assert two.at_second.get("scene/1").json()["status"] == "PENDING"


def test_the_second_takes_over_when_nobody_asks(tmp_path: Path) -> None:
    with pair(tmp_path, retry_opening_seconds=0.0) as two:
        two.at_second.post("aoi/Fyn").raise_for_status()
        two.first.process.terminate()
        two.first.process.wait(30)
        until(lambda: bool(owner_of(two.store)["pid"] == two.second.process.pid and owner_of(two.store)["contact"]))
        assert two.at_second.get("aoi/").json() == [{"ID": "Fyn", "status": "NEW"}]


def test_a_write_whose_answer_is_lost_is_not_done_twice(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        two.first.process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor() as threads:
                answering = threads.submit(two.at_second.post, "aoi/Als")
                time.sleep(1)
                two.first.process.kill()
                answer = answering.result(30)
        finally:
            two.first.process.kill()
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream-lost")
        assert two.at_second.get("aoi/").json() == []

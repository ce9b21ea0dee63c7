"""Jupyter servers of one user over one file: the first owns it, the others forward to the first, and one succeeds it."""

from __future__ import annotations

import fcntl
import json
import signal
import socket
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

from tests.fake_server import ScriptedServer
from tests.integration.server.conftest import scene
from tests.other_users import make_foreign
from tests.server_process import TOKEN, LiveServer, live_server

HEADERS = {
    "Authorization": f"token {TOKEN}".encode(),
    "Accept": b"application/problem+json",
    "X-Workflow-Monitor-Actor": "Åse 北".encode(),
}


def connect(server: LiveServer, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=f"{server.url}/", trust_env=False, **{"headers": HEADERS, "timeout": 120, **options})


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def owner_of(store: Path) -> dict[str, Any]:
    owner: dict[str, Any] = json.loads(store.with_name(f"{store.name}.lock").read_text())
    return owner


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
        clients = [stack.enter_context(connect(server)) for server in (first, second)]
        yield Pair(store, first, second, *clients)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    # The second server checks the owner of the store at each request.
    traits = {"max_body_mib": 1, "max_ingest_mib": 3, "max_streams": 2, "retry_opening_seconds": 0.0}
    with pair(tmp_path_factory.mktemp("pair"), **traits) as servers:
        servers.at_second.post("aoi/Fyn").raise_for_status()
        scenes = [scene(f"s{number}", tiles=("a", "b")) for number in range(500)]
        response = servers.at_second.post("aoi/Fyn/scenes", json=scenes).raise_for_status()
        assert response.json()["scenes"] == 500
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
def test_both_servers_return_the_same_responses(two: Pair, path: str) -> None:
    ours, theirs = (
        client.get(path, headers=READS[path]).raise_for_status() for client in (two.at_second, two.at_first)
    )
    assert ours.content == theirs.content
    for name in ("Content-Type", "Vary", "Content-Security-Policy", "X-Content-Type-Options"):
        assert ours.headers.get(name) == theirs.headers.get(name), name


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_head_is_forwarded(two: Pair, coding: str) -> None:
    for path in ("aoi/Fyn", "aoi/Fyn/scenes?limit=50", "aoi/Fyn/scenes", "aoi/Als"):
        head, get = (
            two.at_second.request(method, path, headers={"Accept-Encoding": coding}) for method in ("HEAD", "GET")
        )
        assert (head.status_code, head.content) == (get.status_code, b""), path
        for name in ("Content-Type", "Content-Encoding", "Vary", "Etag"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)
        if "Content-Length" in head.headers:
            assert head.headers["Content-Length"] == get.headers["Content-Length"], path
    stream = two.at_second.head("events")
    assert (stream.status_code, stream.headers["Content-Type"]) == (200, "text/event-stream")


def test_arrow_streams_are_forwarded(two: Pair) -> None:
    headers = {"Accept": "application/vnd.apache.arrow.stream"}
    ours, theirs = (client.get("aoi/Fyn/tiles", headers=headers) for client in (two.at_second, two.at_first))
    assert ours.headers["Content-Type"] == headers["Accept"]
    # The padding of Arrow streams is arbitrary, so the test compares tables.
    tables = [pa.ipc.open_stream(response.content).read_all() for response in (ours, theirs)]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 1000


def test_both_servers_report_one_instance(two: Pair) -> None:
    instances = {client.get("?format=json").json()["instance"] for client in (two.at_first, two.at_second)}
    assert len(instances) == 1


def test_the_actor_is_forwarded(two: Pair) -> None:
    two.at_second.put("scene/2/force/RETRY").raise_for_status()
    last = two.at_first.get("aoi/Fyn/history?type=scene&id=2").json()[-1]
    assert (last["to"], last["who"]) == ("RETRY", "Åse 北")
    with connect(two.second, headers={"Authorization": f"token {TOKEN}"}) as anonymous:
        anonymous.put("scene/2/retry").raise_for_status()
    assert two.at_first.get("aoi/Fyn/history?type=scene&id=2").json()[-1]["who"] == "token"


def test_encoded_names_are_forwarded_unchanged(two: Pair) -> None:
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
def test_problems_are_forwarded(two: Pair, method: str, path: str, body: bytes | None, status: int, code: str) -> None:
    response = two.at_second.request(method, path, content=body)
    document = response.json()
    assert (response.status_code, document["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert document["type"] == f"/user/eva/workflow-monitor/docs#{code}"
    if status != 413:
        theirs = two.at_first.request(method, path, content=body)
        assert document["detail"] == theirs.json()["detail"]
        assert response.headers.get("Allow") == theirs.headers.get("Allow")


def test_a_body_of_the_maximum_size_is_forwarded(two: Pair) -> None:
    two.at_second.post("aoi/Large").raise_for_status()
    body = json.dumps([scene("large", aoi="Large")]).encode()
    response = two.at_second.post("aoi/Large/scenes", content=body + b" " * (3 * 2**20 - len(body)))
    assert response.json()["scenes"] == 1
    two.at_second.delete("aoi/Large").raise_for_status()


# ---- access


def test_each_server_serves_its_own_docs(two: Pair) -> None:
    assert two.at_second.get("openapi.json").json()["servers"][0]["url"] == "/user/eva/workflow-monitor"
    assert two.at_second.get("docs").status_code == 200


def test_the_second_server_refuses_requests_without_a_token(two: Pair) -> None:
    for method, path in (("GET", "aoi/"), ("PUT", "scene/1/force/DONE"), ("GET", "events")):
        with connect(two.second, headers={"Accept": "application/json"}) as stranger:
            response = stranger.request(method, path)
        assert (response.status_code, response.json()["code"]) == (403, "not-allowed"), path


def test_a_browser_needs_an_xsrf_token(two: Pair) -> None:
    with connect(two.second, headers={"Accept": "application/json"}, follow_redirects=True) as browser:
        browser.get(f"{two.second.base_url}api/status", params={"token": TOKEN}).raise_for_status()
        browser.get(f"{two.second.base_url}login")
        assert browser.get("aoi/").status_code == 200
        refused = browser.put("scene/3/force/RETRY")
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
        assert two.at_first.get("scene/3").json()["status"] == "PENDING"
        token = {"X-XSRFToken": browser.cookies["_xsrf"], "X-Workflow-Monitor-Actor": "eva"}
        browser.put("scene/3/force/RETRY", headers=token).raise_for_status()
    assert two.at_first.get("aoi/Fyn/history?type=scene&id=3").json()[-1]["who"] == "eva"


def test_the_token_of_a_client_is_not_forwarded(two: Pair) -> None:
    with connect(two.second, headers={}) as client:
        response = client.get("aoi/Fyn/scenes", params={"token": TOKEN, "limit": 1})
    assert len(response.json()) == 1
    logs = f"{two.first.log.read_text()}{two.second.log.read_text()}"
    assert TOKEN not in two.first.log.read_text()
    assert json.loads(owner_of(two.store)["contact"])["key"] not in logs


def test_the_first_server_accepts_only_the_key_of_the_lock_file(two: Pair) -> None:
    key = json.loads(owner_of(two.store)["contact"])["key"]
    for authorization, status in ((f"Peer {key}", 200), (f"Peer {key[:-1]}", 403), ("Peer x", 403), ("Peer \xff", 403)):
        headers = {"Authorization": authorization.encode("latin-1")}
        with connect(two.first, headers=headers) as peer:
            assert peer.get("aoi/").status_code == status, authorization
        with connect(two.first, headers=headers) as peer:
            assert peer.get(f"{two.first.base_url}api/contents").status_code == 403
    with connect(two.second, headers={"Authorization": f"Peer {key}"}) as peer:
        assert peer.get("aoi/").status_code == 403
    assert two.store.with_name("workflow.duckdb.lock").stat().st_mode & 0o777 == 0o600


# ---- events


def transitions(lines: Iterator[str], count: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith("data: {") and line != "data: {}":
            events.append(json.loads(line.removeprefix("data: ")))
        if len(events) == count:
            break
    return events


@contextmanager
def following(client: httpx.Client, path: str, **options: Any) -> Iterator[httpx.Response]:
    """Open a stream of events; retry while recently closed streams still count against the limit."""
    deadline = time.monotonic() + 120
    while True:
        with client.stream("GET", path, **options) as live:
            if live.status_code != 429:
                assert live.status_code == 200
                yield live
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_event_streams_are_forwarded_and_resumed(two: Pair) -> None:
    with following(two.at_second, "aoi/Fyn/events") as live:
        lines = live.iter_lines()
        assert next(lines) == "retry: 2000"
        assert live.headers["Content-Type"] == "text/event-stream"
        assert (live.headers["Cache-Control"], live.headers["X-Accel-Buffering"]) == ("no-cache", "no")
        two.at_first.put("scene/4/force/RETRY").raise_for_status()
        [event] = transitions(lines, 1)
        assert (event["id"], event["to"]) == (4, "RETRY")
    two.at_first.put("scene/4/retry").raise_for_status()
    for headers, query in (({"Last-Event-ID": str(event["seq"])}, ""), ({}, f"?after={event['seq']}")):
        with following(two.at_second, f"aoi/Fyn/events{query}", headers=headers) as rest:
            assert transitions(rest.iter_lines(), 1)[0]["to"] == "PENDING"


def test_a_stream_survives_a_check_of_the_owner(two: Pair) -> None:
    with following(two.at_second, "aoi/Fyn/events") as live:
        lines = live.iter_lines()
        for _ in range(3):
            two.at_second.put("scene/5/force/RETRY").raise_for_status()
            two.at_second.put("scene/5/retry").raise_for_status()
        assert len(transitions(lines, 6)) == 6


def test_the_second_server_limits_its_streams(two: Pair) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(two.at_second.stream("GET", "events")) for _ in range(3)]
        assert [response.status_code for response in opened][-1] == 429
        assert opened[-1].headers["Retry-After"]
        assert json.loads(opened[-1].read())["code"] == "too-many-streams"

    def has_capacity() -> bool:
        with two.at_second.stream("GET", "events") as stream:
            return stream.status_code == 200

    until(has_capacity)


# ---- end of the first server


def test_the_second_server_succeeds_a_killed_one(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        two.at_second.post("aoi/Fyn").raise_for_status()
        two.at_second.post("aoi/Fyn/scenes", json=[scene(f"s{number}") for number in range(5)]).raise_for_status()
        with two.at_second.stream("GET", "events?after=0") as stream:
            lines = stream.iter_lines()
            events = transitions(lines, 11)
            two.first.process.send_signal(signal.SIGKILL)
            two.first.process.wait(120)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        # The second server itself applies the next write, and sequence numbers continue.
        two.at_second.put("scene/1/force/RETRY").raise_for_status()
        assert owner_of(two.store)["pid"] == two.second.process.pid
        with two.at_second.stream("GET", "events", headers={"Last-Event-ID": str(events[-1]["seq"])}) as stream:
            assert transitions(stream.iter_lines(), 1)[0]["seq"] == events[-1]["seq"] + 1
        assert "http://" not in two.at_second.get("aoi/Als").json()["detail"]
        with live_server(tmp_path / "first", store_url=f"duckdb:///{two.store}") as third, connect(third) as at_third:
            assert at_third.get("scene/1").json()["status"] == "RETRY"
            at_third.put("scene/1/retry").raise_for_status()
            assert two.at_second.get("scene/1").json()["status"] == "PENDING"


def test_the_second_server_succeeds_a_stopped_one_without_a_request(tmp_path: Path) -> None:
    with pair(tmp_path, retry_opening_seconds=0.0) as two:
        two.at_second.post("aoi/Fyn").raise_for_status()
        two.first.process.terminate()
        two.first.process.wait(120)
        until(lambda: bool(owner_of(two.store)["pid"] == two.second.process.pid and owner_of(two.store)["contact"]))
        assert two.at_second.get("aoi/").json() == [{"ID": "Fyn", "status": "NEW"}]


def test_a_write_without_a_response_is_not_repeated(tmp_path: Path) -> None:
    with pair(tmp_path) as two:
        two.first.process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor() as threads:
                pending = threads.submit(two.at_second.post, "aoi/Als")
                time.sleep(1)
                two.first.process.kill()
                response = pending.result(120)
        finally:
            two.first.process.kill()
        assert (response.status_code, response.json()["code"]) == (502, "upstream-lost")
        assert two.at_second.get("aoi/").json() == []


# ---- lock files of other users and machines


@contextmanager
def locked_store(folder: Path, url: str) -> Iterator[Path]:
    """A store whose lock file is held and contains an address."""
    store = folder / "workflow.duckdb"
    lock = store.with_name(f"{store.name}.lock")
    contact = json.dumps({"url": url, "key": "forged"})
    lock.write_text(json.dumps({"pid": 1, "host": socket.gethostname(), "contact": contact}))
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield lock


def refusal(folder: Path) -> str:
    """Return the detail of the error of a server whose store is in use."""
    store = f"duckdb:///{folder / 'workflow.duckdb'}"
    with (
        live_server(folder / "server", store_url=store, ready="aoi/") as server,
        connect(server) as client,
    ):
        response = client.post("aoi/Fyn")
    assert (response.status_code, response.json()["code"]) == (503, "store-unavailable")
    return str(response.json()["detail"])


def test_requests_are_not_sent_to_the_address_in_a_foreign_lock_file(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: "") as trap, locked_store(tmp_path, trap.url) as lock:
        reason = make_foreign(lock)
        detail = refusal(tmp_path)
    assert f"its lock file {lock} is not trusted: {reason}" in detail
    assert trap.requests == []


def test_requests_are_not_sent_to_another_machine(tmp_path: Path) -> None:
    with locked_store(tmp_path, "http://192.0.2.1:8888/"):
        detail = refusal(tmp_path)
    assert "Requests are not forwarded to 'http://192.0.2.1:8888/', the address in its lock file" in detail

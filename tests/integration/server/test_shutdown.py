"""Shutdown with open connections: prompt, complete and without the loss of acknowledged requests."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.integration.server.conftest import scene
from tests.server_process import TOKEN, LiveServer, live_server

HEADERS = {"Authorization": f"token {TOKEN}"}
STREAMS = 12
#: Limit of a shutdown, with a margin for busy machines.
SECONDS = 20


def raw(server: LiveServer, text: str) -> socket.socket:
    """Open a connection, send the text, and read nothing."""
    connection = socket.create_connection(("127.0.0.1", httpx.URL(server.base_url).port or 80), timeout=60)
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


def create_aois(http: httpx.Client, acknowledged: list[int], stop: threading.Event) -> None:
    """Create AOIs in sequence, and record the acknowledged ones."""
    number = 0
    while not stop.is_set():
        number += 1
        try:
            if http.post(f"/aoi/Fyn-{number}", headers=HEADERS).status_code == 204:
                acknowledged.append(number)
        except httpx.TransportError:
            return


@pytest.mark.alone
def test_the_server_stops_despite_open_connections(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    stop = threading.Event()
    with ExitStack() as stack:
        server = stack.enter_context(live_server(tmp_path))
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=60, trust_env=False))
        http.post("/aoi/Fyn", headers=HEADERS).raise_for_status()
        http.post("/aoi/Fyn/scenes", json=[scene(f"s{n}") for n in range(500)], headers=HEADERS).raise_for_status()
        streams = [stack.enter_context(http.stream("GET", "/events", headers=HEADERS)) for _ in range(STREAMS)]
        assert all(stream.status_code == 200 for stream in streams)
        head = f"Host: 127.0.0.1\nAuthorization: token {TOKEN}\n"
        unread = [
            raw(server, ""),
            raw(server, "GET /workflow-monitor/aoi/ HTTP/1.1\nHost: 127"),
            raw(server, f"POST /workflow-monitor/results HTTP/1.1\n{head}Content-Length: 1000\n\n["),
            raw(server, f"GET /workflow-monitor/aoi/Fyn/scenes HTTP/1.1\n{head}\n" * 200),
        ]
        writer = threading.Thread(target=create_aois, args=(http, acknowledged, stop))
        writer.start()
        while len(acknowledged) < 20:
            stop.wait(0.01)
        server.process.terminate()
        assert server.process.wait(SECONDS) == 0
        writer.join(60)
        for stream in streams:
            list(stream.iter_lines())  # raises if the stream breaks off
        for connection in unread:
            connection.close()
    log = server.log.read_text()
    assert "Traceback" not in log
    with live_server(tmp_path) as again, httpx.Client(base_url=again.url, timeout=60, trust_env=False) as http:
        names = {aoi["ID"] for aoi in http.get("/aoi/", headers=HEADERS).raise_for_status().json()}
        assert {f"Fyn-{number}" for number in acknowledged} <= names


PATTERN = "*?" * 1_000 + "!"
HOSTILE_BODIES = {
    "/results": b'["' + b"\\ud800" * 170_000 + b'"]',
    "/aoi/Fyn/scenes": b'[{"source_id":"s","data":{"wkt":"POLYGON((' + b"0 0," * 200_000 + b'0 0))"}}]',
    "/aoi/Fyn/scene": b'{"data":{"tiles":{' + b",".join(b'"t%d":{}' % n for n in range(60_000)) + b"}}}",
    "/jobs/downloader/lease": b'{"max":1,"seconds":60,"worker":"w","aoi":"' + PATTERN.encode() + b'"}',
}


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_the_server_stops_during_hostile_requests(tmp_path: Path) -> None:
    program = tmp_path / "programs" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/drawing\nexec /bin/sleep 600\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    stop = threading.Event()
    sent: Counter[str] = Counter()

    def repeat(method: str, path: str, body: bytes | None = None) -> None:
        with httpx.Client(base_url=server.url, headers=HEADERS, timeout=120, trust_env=False) as client:
            while not stop.is_set():
                try:
                    client.request(method, path, content=body)
                except httpx.TransportError:
                    return
                sent[path] += 1

    with live_server(tmp_path, variables={"PATH": path}, drawing_seconds=600) as server:
        for aoi in ("Fyn", "a" * 900, *("a" * length for length in range(1, 200))):
            httpx.post(f"{server.url}/aoi/{aoi}", headers=HEADERS, trust_env=False).raise_for_status()
        requests = [
            *(("POST", path, body) for path, body in HOSTILE_BODIES.items()),
            ("GET", f"/aoi/{quote(PATTERN, safe='')}", None),
            ("GET", f"/aoi/{quote(PATTERN, safe='')}/dot", None),
        ]
        threads = [threading.Thread(target=repeat, args=request) for request in requests]
        drawings = [threading.Thread(target=repeat, args=("GET", "/aoi/Fyn/dot?format=svg")) for _ in range(4)]
        for thread in (*threads, *drawings):
            thread.start()
        while len(sent) < len(requests) or not (tmp_path / "drawing").exists():
            stop.wait(0.01)
        server.process.terminate()
        assert server.process.wait(SECONDS) == 0
        stop.set()
        for thread in (*threads, *drawings):
            thread.join(60)
    assert "Traceback" not in server.log.read_text()

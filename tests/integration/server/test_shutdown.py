"""Shutdown with open connections: prompt, complete and without the loss of acknowledged requests."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

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

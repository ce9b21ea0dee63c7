"""Untrusted text is displayed and never interpreted, in terminals, pages, tables and logs."""

from __future__ import annotations

import io
import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pandas as pd
import pytest

from tests.example_servers import Servers, call
from tests.integration.client.test_aoi import Tags
from tests.server_process import TOKEN, LiveServer, live_server
from workflow_monitor.client import Monitor
from workflow_monitor.client.errors import MonitorError

#: formula, markup, and sequences that clear a terminal, set its title and reverse text
NAME = "=1+1\x1b[2J\x1b]0;owned\x07\u202e\r\n<script>alert(0)</script>\"',;"
MESSAGE = "@SUM(A1)\x9b2J\n<img src=x onerror=alert(1)>\x00".replace("\x00", "\x7f")
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def server(example_servers: Servers) -> LiveServer:
    return example_servers.untouched()


@pytest.fixture
def hostile(server: LiveServer) -> SimpleNamespace:
    """AOI, scene and tile with hostile names; the scene has FAILED with a hostile message."""
    m = Monitor(server.base_url, token=TOKEN)
    aoi = m.create(NAME)
    data = {"date": "2022-01-04T00:00:00Z", "tiles": {NAME: {}}, "tags": {NAME: NAME}}
    (scene_id,) = aoi.add_scenes({"source_id": NAME, "data": data, "tiles": {NAME: {"data": {}}}}).values()
    call(server, "POST", "results", [{"type": "scene", "id": scene_id, "status": "FAILED", "message": MESSAGE}])
    return SimpleNamespace(m=m, aoi=m[NAME], scene_id=scene_id, server=server)


def test_terminal_output_has_no_control_characters(hostile: SimpleNamespace) -> None:
    m, aoi = hostile.m, hostile.aoi
    with pytest.raises(MonitorError) as unknown:
        m[f"{NAME} not there"]
    with pytest.raises(MonitorError) as rejected:
        aoi.add_scenes({"source_id": NAME, NAME: NAME, "tiles": {NAME: {NAME: 1}}})
    item = m.scene(hostile.scene_id)
    panel = aoi.panels.summary()
    texts = [str(aoi), repr(aoi), str(m), repr(m), str(item), repr(item), repr(panel)]
    texts += [str(unknown.value), str(rejected.value), panel._repr_mimebundle_()[0]["text/plain"]]
    texts += [str(aoi.watch(timeout=0, progress=False))]
    for text in texts:
        assert not CONTROLS.search(text), text
    assert r"\x1b[2J" in str(aoi)


def test_static_panels_escape_markup(hostile: SimpleNamespace) -> None:
    for name in ("summary", "map", "graph", "failures", "timeline", "dashboard"):
        bundle = getattr(hostile.aoi.panels, name)()._repr_mimebundle_()
        assert bundle is not None
        parser = Tags()
        parser.feed(bundle[0]["text/html"])
        assert parser.tags & {"script", "img", "iframe", "a", "link", "style"} == set()
        assert {attribute for attribute in parser.attributes if attribute.startswith("on")} == set()
        assert "&lt;script&gt;" in bundle[0]["text/html"]


def test_frames_keep_the_text_unchanged(hostile: SimpleNamespace) -> None:
    tables: list[pd.DataFrame] = [hostile.aoi.scenes(), hostile.aoi.tiles(), hostile.aoi.history()]
    for table in tables:
        columns = [column for column in ("source_id", "message", "name") if column in table]
        text = table[columns].to_csv(index=False)
        again = pd.read_csv(io.StringIO(text), keep_default_na=False, lineterminator="\n")
        assert len(again) == len(table)
    assert tables[0]["source_id"].tolist() == [NAME]
    assert tables[0]["message"].tolist() == [MESSAGE]


def test_responses_are_never_rendered_as_html(hostile: SimpleNamespace) -> None:
    headers = {"Authorization": f"token {TOKEN}"}
    name = quote(NAME, safe="")
    with httpx.Client(base_url=hostile.server.url, headers=headers, timeout=300, trust_env=False) as http:
        for path in ("", "/scenes", "/tiles?format=geojson", "/dot", "/dot?format=svg", "/history", "/failures", "/x"):
            for accept in ("*/*", "text/html"):
                answer = http.get(f"/aoi/{name}{path}", headers={"Accept": accept})
                assert "html" not in answer.headers["Content-Type"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
                if "svg" in path and answer.status_code == 200:
                    assert "<script" not in answer.text
                if "json" in answer.headers["Content-Type"]:
                    assert not re.search(r"[\x00-\x09\x0b-\x1f]", answer.text), path
        assert "alert(0)" not in http.get("/docs").text


def send_raw(server: LiveServer, path: bytes, more: bytes = b"") -> None:
    address = ("127.0.0.1", httpx.URL(server.base_url).port or 80)
    with socket.create_connection(address, timeout=300) as connection:
        head = b"Host: 127.0.0.1\r\nConnection: close\r\nAuthorization: token " + TOKEN.encode()
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n" + more + b"\r\n")
        while connection.recv(65536):
            pass


def test_log_lines_stay_single_lines(tmp_path: Path) -> None:
    hostile: dict[str, Any] = {"source_id": NAME, "aoi": NAME, NAME: NAME}
    with live_server(tmp_path, arguments=["--debug"]) as server:
        headers = {"Authorization": f"token {TOKEN}", "X-Workflow-Monitor-Actor": quote(NAME)}
        with httpx.Client(base_url=server.url, headers=headers, timeout=300, trust_env=False) as http:
            name = quote(NAME, safe="")
            http.post(f"/aoi/{name}")
            for method, path in (("GET", f"/aoi/{name}/x"), ("POST", f"/aoi/{name}/scene"), ("GET", f"/{name}")):
                assert http.request(method, path, json=hostile).status_code >= 400
            http.post("/jobs/downloader/lease", json={"max": 1, "seconds": 1, "worker": NAME})
        agent = b"User-Agent: \x1b[2J\r\nReferer: http://h/\x1b[2J\r\nX-Workflow-Monitor-Actor: \x1b[2J\x9b\r\n"
        for raw in (
            b"/workflow-monitor/\x1b[2J",
            b"/workflow-monitor/aoi/\x1b]0;owned\x07",
            b"/workflow-monitor/aoi/a",
        ):
            send_raw(server, raw, agent)
    log = server.log.read_bytes()
    assert b"/workflow-monitor/" in log
    assert b"\x07" not in log
    assert b"owned\x07" not in log
    assert not [line for line in log.splitlines() if line.startswith((b"<script>", b"<img"))]
    coloured = re.sub(rb"\x1b\[[0-9;]*m", b"", log)
    assert b"\x1b" not in coloured

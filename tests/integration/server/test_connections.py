"""Network connections and name lookups of the package: only those of the configured server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.server_process import TOKEN, live_server

#: Python imports `sitecustomize` at start, so every process records its connections.
SITECUSTOMIZE = """
import os
import sys


def record(event, arguments):
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        target = repr(arguments[1])
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        target = repr(arguments[0])
    else:
        return
    with open(os.environ["CONNECTIONS"], "a") as file:
        file.write(f"{event} {target}\\n")


sys.addaudithook(record)
"""

#: Imports every module, reads every kind of frame and renders every panel.
NOTEBOOK = """
import importlib, json, pkgutil, sys

import workflow_monitor

for module in pkgutil.walk_packages(workflow_monitor.__path__, "workflow_monitor."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
url, token = json.loads(sys.stdin.read())
m = workflow_monitor.Monitor(url, token=token)
aoi = m.create("Fyn")
square = [[[9, 54], [10, 54], [10, 55], [9, 55], [9, 54]]]
data = {"date": "2022-01-04T00:00:00Z", "tiles": {"t": {}}, "geometry": {"type": "Polygon", "coordinates": square}}
aoi.add_scenes({"source_id": "s", "data": data, "tiles": {"t": {"data": {}}}})
print(len(aoi.scenes()), len(aoi.tiles()), len(aoi.history()), len(m.aois()), str(aoi), str(m))
for name in ("summary", "map", "graph", "failures", "timeline", "dashboard"):
    getattr(aoi.panels, name)()._repr_mimebundle_()
"""


def test_the_only_connections_are_to_the_configured_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook, connections = tmp_path / "hook", tmp_path / "connections"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(SITECUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hook), str(ROOT)]))
    monkeypatch.setenv("CONNECTIONS", str(connections))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    with live_server(tmp_path / "served") as server:
        subprocess.run(
            [sys.executable, "-c", NOTEBOOK],
            input=json.dumps([server.base_url, TOKEN]),
            text=True,
            check=True,
            timeout=200,
            capture_output=True,
        )
        variables = {"WORKFLOW_MONITOR_URL": server.base_url, "WORKFLOW_MONITOR_TOKEN": TOKEN}
        for words in (["aois"], ["status", "Fyn"], ["failures", "Fyn"], ["backup"]):
            command = [sys.executable, "-m", "workflow_monitor.cli", *words]
            subprocess.run(command, check=True, timeout=100, capture_output=True, env=os.environ | variables)
    port = server.base_url.split(":")[2].rstrip("/")
    recorded = set(connections.read_text().splitlines())
    allowed = {f"socket.connect ('127.0.0.1', {port})", "socket.getaddrinfo '127.0.0.1'"}
    assert f"socket.connect ('127.0.0.1', {port})" in recorded, "the hook records nothing"
    assert recorded <= allowed, recorded - allowed

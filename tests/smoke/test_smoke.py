"""Smoke tests of the features that depend on the versions of third-party packages.

scripts/check_versions runs this module with the lowest and the newest versions that pyproject.toml allows. Its
environments contain pytest and pytest-timeout only, so this module uses no fixture of the project.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely

import workflow_monitor
from tests.server_process import TOKEN, LiveServer, live_server
from workflow_monitor import Monitor
from workflow_monitor.demo.ingestions import denmark_s1

AOI = "DenmarkS1"
SCENES: list[dict[str, Any]] = [dict(scene) for scene in denmark_s1(dates=2).scenes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def m(server: LiveServer) -> Iterator[Monitor]:
    """Client of a server with one ingestion of scenes with footprints and one empty ingestion."""
    with Monitor(server.base_url, token=TOKEN, actor="smoke") as monitor:
        monitor.create(AOI).add_scenes(SCENES)
        monitor.create("Empty")
        yield monitor


def request(server: LiveServer, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
    headers["Authorization"] = f"token {TOKEN}"
    response = httpx.request(method, f"{server.url}/{path}", json=body, headers=headers, timeout=60, trust_env=False)
    response.raise_for_status()
    return response


def test_every_module_imports() -> None:
    for module in pkgutil.walk_packages(workflow_monitor.__path__, "workflow_monitor."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_footprints_survive_the_ingest(m: Monitor) -> None:
    scenes = m[AOI].scenes()
    assert len(scenes) == len(SCENES)
    for scene, footprint in zip(SCENES, scenes.geometry, strict=True):
        assert footprint.equals(shapely.from_geojson(json.dumps(scene["data"]["geometry"])))


def test_an_empty_arrow_list_is_an_empty_frame(m: Monitor) -> None:
    for frame in (m["Empty"].scenes(), m["Empty"].tiles()):
        assert len(frame) == 0
        assert "geometry" in frame.columns


def test_a_panel_renders_its_static_html(m: Monitor) -> None:
    panel = m[AOI].map()
    bundle = panel._repr_mimebundle_()
    assert bundle is not None
    assert "<svg" in bundle[0]["text/html"]


def test_the_graph_renders_as_svg(m: Monitor, server: LiveServer) -> None:
    assert "<svg" in request(server, "GET", f"aoi/{m[AOI].name}/dot", Accept="image/svg+xml").text


def test_a_leased_job_is_reported_done(m: Monitor, server: LiveServer) -> None:
    lease = {"max": 1, "seconds": 60, "worker": "smoke", "aoi": AOI}
    (job,) = request(server, "POST", "jobs/downloader/lease", lease).json()["jobs"]
    result = {"type": "scene", "id": job["payload"]["id"], "status": "DONE", "attempt": job["attempt"]}
    assert request(server, "POST", "results", [result]).json()["applied"] == 1
    assert m.scene(result["id"]).status == "DONE"


def test_a_backup_restores(m: Monitor, server: LiveServer, tmp_path: Path) -> None:
    backup = m.backup()
    command = [sys.executable, "-m", "workflow_monitor.cli", "restore", str(tmp_path / "restored.duckdb")]
    command += ["--backup", backup.file, "--json"]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["scenes"] == len(SCENES)

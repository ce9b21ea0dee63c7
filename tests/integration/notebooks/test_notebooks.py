"""The notebooks run without errors, each in a kernel of the demo server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import nbformat
import numpy as np
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from PIL import Image

from tests.kernels import execute, kernel_of
from tests.paths import ROOT
from workflow_monitor.client import STATUS_COLORS

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOKEN = "notebook-test"
EXAMPLE = "NorthernEuropeS1"


@dataclass
class Demo:
    """URL and runtime directory of a running demo."""

    url: str
    runtime: Path

    def request(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"token {TOKEN}"}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=300, trust_env=False)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass
class Outputs:
    """Outputs of a notebook by cell id."""

    texts: dict[str, str] = field(default_factory=dict)
    types: dict[str, set[str]] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def add(self, cell: str, message: Any) -> None:
        content = message["content"]
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            self.texts[cell] = self.texts.get(cell, "") + content["text"]
        elif message["msg_type"] in {"execute_result", "display_data"}:
            self.texts[cell] = self.texts.get(cell, "") + content["data"].get("text/plain", "")
            self.types.setdefault(cell, set()).update(content["data"])
            if picture := content["data"].get("image/png"):
                self.pictures[cell] = b64decode(picture)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Demo at a low speed, so that items are pending during all tests."""
    runtime, folder = tmp_path_factory.mktemp("runtime"), tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "workflow_monitor.cli", "demo", "--headless", "--dir", str(folder)]
    options = ["--port=9300", f"--token={TOKEN}", "--scenes=60", "--speed=4"]
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    try:
        yield Demo(_url(process), runtime)
    finally:
        process.terminate()
        process.communicate(timeout=300)


def _url(process: subprocess.Popen[str]) -> str:
    """Read the URL from the output of the demo."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        word, _, url = line.strip().partition(" ")
        if word == "Endpoints":
            return url.strip().removesuffix("workflow-monitor/")
    raise AssertionError("".join(lines))


@pytest.fixture
def kernel(demo: Demo) -> Iterator[BlockingKernelClient]:
    """Kernel of the demo server."""
    with kernel_of(demo.url, TOKEN, demo.runtime) as client:
        yield client


def cells_of(notebook: Path) -> list[Any]:
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(content)
    return list(content.cells)


def run(kernel: BlockingKernelClient, notebook: Path, aoi: str = EXAMPLE) -> Outputs:
    """Execute a notebook for an AOI and return the outputs of its cells; an error in a cell fails the test."""
    outputs = Outputs()
    for cell in cells_of(notebook):
        if cell.cell_type != "code":
            continue
        source = cell.source.replace(f'NAME = "{EXAMPLE}"', f'NAME = "{aoi}"')
        execute(kernel, source, partial(outputs.add, cell.id), f"{notebook.name}, cell {cell.id}")
    return outputs


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_have_named_cells_and_no_outputs(notebook: Path) -> None:
    cells = cells_of(notebook)
    assert [cell.id for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)] == []
    assert len({cell.id for cell in cells}) == len(cells)


def test_the_quickstart_runs_repeatedly(
    demo: Demo, kernel: BlockingKernelClient
) -> None:
    for _ in range(2):
        check_quickstart(run(kernel, ROOT / "notebooks" / "01_quickstart.ipynb"))
        left = [aoi["ID"] for aoi in demo.request("GET", "workflow-monitor/aoi/")]
        assert left == ["DenmarkS1", "DenmarkS2", "NorthernEuropeS1"]


def check_quickstart(outputs: Outputs) -> None:
    texts = outputs.texts
    assert "DenmarkS1" in texts["connect"]
    assert all(aoi in texts["aois"] for aoi in ("DenmarkS1", "DenmarkS2", "NorthernEuropeS1"))
    assert texts["pattern"] == "['DenmarkS1', 'DenmarkS2']"
    assert texts["overview"].startswith("NorthernEuropeS1")
    assert "S1A_IW_SLC__1SDV_2022" in texts["scenes"]
    assert texts["one-scene"].startswith("Scene")
    assert "_IW1_" in texts["tiles-of-scene"]
    assert "chains in" in texts["roots"]
    for panel in ("map", "graph"):
        assert "application/vnd.jupyter.widget-view+json" in outputs.types[panel]
    assert len(re.findall(r"'S1A_IW_SLC__\w+': \d+", texts["ingest"])) == 3
    assert "digraph" in texts["dot"]
    assert "done" in texts["retry"]
    assert "Retried(scenes=" in texts["retry-all"]
    reason, outcome = texts["fail"].splitlines()[:2]
    assert "RETRY" in reason
    assert outcome == "done"
    assert "FAILED" in texts["fail"]
    assert "quickstart" in texts["history"]
    assert len(texts["stream"].splitlines()) == 5
    assert texts["watch"].startswith("Quickstart")
    assert texts["clean-up"] == "False"


# --- the analysis

PLOTS = ("progress", "failed-before", "throughput", "durations", "orbits", "map")


def colours_of(picture: bytes) -> tuple[int, set[tuple[int, ...]]]:
    """Return the percentage of a picture that is not white, and the colours of its areas."""
    pixels = np.asarray(Image.open(BytesIO(picture)).convert("RGB")).reshape(-1, 3)
    drawn = 100 * np.any(pixels < 250, axis=1).mean()
    colours, times = np.unique(pixels, axis=0, return_counts=True)
    return round(drawn), {tuple(map(int, colour)) for colour in colours[times > 100]}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def test_the_analysis_runs_on_a_running_ingestion(demo: Demo, kernel: BlockingKernelClient) -> None:
    outputs = run(kernel, ROOT / "notebooks" / "02_analysis.ipynb")
    texts = outputs.texts
    assert EXAMPLE in texts["connect"]
    assert texts["aoi"].startswith(EXAMPLE)
    assert texts["load"].startswith("60 scenes, 300 tiles, ")
    assert "tiles wait for others" in texts["held-up"]
    assert "scenes" in texts["export"]
    assert set(outputs.pictures) == set(PLOTS)
    _, progress = colours_of(outputs.pictures["progress"])
    assert progress & {rgb(colour) for colour in STATUS_COLORS.values()}
    drawn, mapped = colours_of(outputs.pictures["map"])
    assert drawn > 5
    statuses = {scene["status"] for scene in demo.request("GET", f"workflow-monitor/aoi/{EXAMPLE}/scenes")}
    assert mapped & {rgb(STATUS_COLORS[status]) for status in STATUS_COLORS if status in statuses}


def test_the_analysis_runs_on_an_ingestion_without_scenes(demo: Demo, kernel: BlockingKernelClient) -> None:
    demo.request("POST", "workflow-monitor/aoi/Empty")
    try:
        outputs = run(kernel, ROOT / "notebooks" / "02_analysis.ipynb", "Empty")
    finally:
        demo.request("DELETE", "workflow-monitor/aoi/Empty")
    assert outputs.texts["load"].startswith("0 scenes, 0 tiles, 1 events")
    assert set(outputs.pictures) == set(PLOTS)
    assert colours_of(outputs.pictures["map"])[0] < 5


# --- Dask


def test_the_dask_notebook_processes_a_series(demo: Demo, kernel: BlockingKernelClient) -> None:
    outputs = run(kernel, ROOT / "notebooks" / "04_process_with_dask.ipynb")
    texts = outputs.texts
    assert texts["images"].strip() == "23 products of 24"
    assert texts["ingest"].startswith("Funen")
    for panel in ("summary", "graph"):
        assert "application/vnd.jupyter.widget-view+json" in outputs.types[panel]
    assert "the archive has no such product" in texts["failures"]
    assert "the file is broken" in texts["failures"]
    assert texts["process"].strip().endswith("54 done, 2 retry, 1 failed>")
    assert texts["repair"].strip().endswith("115 done, 2 retry, 1 failed>")
    assert texts["end"] == "1.0"
    view = demo.request("GET", "workflow-monitor/aoi/Funen?format=json")
    assert (view["scenes"]["done"], view["scenes"]["failed"]) == (23, 1)
    assert (view["tiles"]["done"], view["tiles"]["failed"]) == (92, 4)
    drawn, _ = colours_of(outputs.pictures["look"])
    assert drawn > 30, "a plot and a map"
    demo.request("DELETE", "workflow-monitor/aoi/Funen")


# --- the dashboard


@pytest.mark.usefixtures("demo")
def test_the_dashboard_notebook_shows_the_panels(kernel: BlockingKernelClient) -> None:
    outputs = run(kernel, ROOT / "notebooks" / "03_dashboard.ipynb")
    assert outputs.texts["dashboard"].split()[0] in {"DenmarkS1", "DenmarkS2", EXAMPLE}


"""The notebooks run, each in a kernel of the demo's own server, as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import httpx
import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOKEN = "notebook-test"


@dataclass
class Demo:
    """A running demo."""

    url: str
    runtime: Path

    def request(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"token {TOKEN}"}
        answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass
class Outputs:
    """What the cells of a notebook have put out, by the cell's id."""

    texts: dict[str, str] = field(default_factory=dict)
    types: dict[str, set[str]] = field(default_factory=dict)

    def add(self, cell: str, message: Any) -> None:
        content = message["content"]
        if message["msg_type"] == "stream" and content["name"] == "stdout":
            self.texts[cell] = self.texts.get(cell, "") + content["text"]
        elif message["msg_type"] in {"execute_result", "display_data"}:
            self.texts[cell] = self.texts.get(cell, "") + content["data"].get("text/plain", "")
            self.types.setdefault(cell, set()).update(content["data"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, so slow that there is always something going on."""
    runtime, folder = tmp_path_factory.mktemp("runtime"), tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "workflow_monitor.cli", "demo", "--headless", "--dir", str(folder)]
    options = ["--port=9300", f"--token={TOKEN}", "--scenes=60", "--speed=4"]
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    try:
        yield Demo(_url(process), runtime)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _url(process: subprocess.Popen[str]) -> str:
    """The address that the demo says."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        word, _, url = line.strip().partition(" ")
        if word == "Endpoints":
            return url.strip().removesuffix("workflow-monitor/")
    raise AssertionError("".join(said))


@pytest.fixture
def kernel(demo: Demo) -> Iterator[BlockingKernelClient]:
    """A kernel that the demo's server has started."""
    number = demo.request("POST", "api/kernels", {"name": "python3"})["id"]
    client = BlockingKernelClient(connection_file=str(demo.runtime / f"kernel-{number}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        wait_until_ready(client)
        yield client
    finally:
        client.stop_channels()
        demo.request("DELETE", f"api/kernels/{number}")


def wait_until_ready(client: BlockingKernelClient) -> None:
    """Wait for a kernel that may not even listen yet; jupyter_client takes that for death."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return client.wait_for_ready(timeout=20)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def cells_of(notebook: Path) -> list[Any]:
    content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(content)
    return list(content.cells)


def run(kernel: BlockingKernelClient, notebook: Path) -> Outputs:
    """The outputs of all cells; an error in one fails the test."""
    outputs = Outputs()
    for cell in cells_of(notebook):
        if cell.cell_type != "code":
            continue
        try:
            reply = kernel.execute_interactive(
                cell.source, timeout=60, output_hook=lambda message, cell=cell: outputs.add(cell.id, message)
            )
        except Empty:
            pytest.fail(f"{notebook.name}, cell {cell.id}: no answer within 60 seconds")
        content = reply["content"]
        assert content["status"] == "ok", "\n".join([f"{notebook.name}, cell {cell.id}:", *content["traceback"]])
    return outputs


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs_and_with_named_cells(notebook: Path) -> None:
    cells = cells_of(notebook)
    assert [cell.id for cell in cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)] == []
    assert len({cell.id for cell in cells}) == len(cells)


def test_the_quickstart_goes_through_the_endpoints_and_can_be_run_again(
    demo: Demo, kernel: BlockingKernelClient
) -> None:
    for _ in range(2):
        check_quickstart(run(kernel, ROOT / "notebooks" / "01_quickstart.ipynb"))
        left = [aoi["ID"] for aoi in demo.request("GET", "workflow-monitor/aoi/")]
        assert left == ["DenmarkS1", "DenmarkS2", "NorthernEuropeS1"]


def check_quickstart(outputs: Outputs) -> None:
    said = outputs.texts
    assert "ingester ok" in said["connect"]
    assert all(aoi in said["aois"] for aoi in ("DenmarkS1", "DenmarkS2", "NorthernEuropeS1"))
    assert "NorthernEuropeS1" not in said["pattern"]
    assert "Root tiles" in said["overview"]
    assert "S1A_IW_SLC__1SDV_2022" in said["scenes"]
    assert "relativeOrbit" in said["one-scene"]
    assert "_IW1_" in said["tiles-of-scene"]
    assert said["one-tile"].startswith("'S1A_IW_SLC")
    assert "POLYGON" in said["footprints"]
    assert "application/vnd.jupyter.widget-view+json" in outputs.types["map"]
    assert "image/svg+xml" in outputs.types["graph"]
    assert "digraph" in said["dot"]
    assert "200 {'id': " in said["ingest"]
    assert said["retry"].startswith("200")
    assert said["fail"].splitlines()[1].startswith("200")
    assert "FAILED" in said["fail"]
    first, second = said["data"].splitlines()
    assert first.strip() == "204"
    assert second.startswith("400")
    assert "storage" in second
    assert "downloader: " in said["queues"]
    assert "unknown" in said["report"]
    assert "quickstart" in said["history"]
    assert len(said["stream"].splitlines()) == 5
    assert "/results" in said["openapi"]
    assert said["clean-up"].strip() == "204"

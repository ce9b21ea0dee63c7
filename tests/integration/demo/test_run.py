"""`workflow-monitor demo` as a command."""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from typer.testing import CliRunner

from tests.paths import ROOT
from workflow_monitor import __version__
from workflow_monitor.cli import app
from workflow_monitor.demo.jupyter import HOST, CannotStart, free_port
from workflow_monitor.demo.run import NOTEBOOK, Options, notebooks, prepare, run, waiting

QUICK = ("--speed=200", "--scenes=30", "--port=9500")


class Start(Protocol):
    """Function that starts the demo in a folder."""

    def __call__(self, folder: Path, *options: str) -> subprocess.Popen[str]: ...


@pytest.fixture
def start() -> Iterator[Start]:
    """Start demos; running ones are terminated after the test."""
    processes: list[subprocess.Popen[str]] = []

    def started(folder: Path, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "workflow_monitor.cli", "demo", f"--dir={folder}", *options]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        processes.append(process)
        return process

    yield started
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=300)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the output of the demo up to a line with this text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    pytest.fail("".join(lines))


def send(curl: str) -> httpx.Response:
    """Send the request of a printed curl command."""
    words = shlex.split(curl)
    assert words[:3] == ["curl", "-s", "-H"]
    name, _, value = words[3].partition(": ")
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    return httpx.request(method, words[-1], headers={name: value}, timeout=300, trust_env=False)


def test_the_demo_exits_when_idle_and_resumes(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path, "--headless", "--until-idle", *QUICK)
    text, _ = first.communicate(timeout=300)
    assert first.returncode == 0, text
    assert "DenmarkS1          Sentinel-1 burst chains over Denmark: 48 scenes" in text
    assert "NorthernEuropeS1: scenes 2" in text
    assert "waiting for a manual retry" in text
    assert (tmp_path / NOTEBOOK).is_file()

    again = start(tmp_path, "--headless", "--until-idle", *QUICK)
    text_again, _ = again.communicate(timeout=300)
    assert again.returncode == 0, text_again
    assert "DenmarkS1          exists: 48 scenes\n" in text_again
    assert text_again.splitlines()[-1] == text.splitlines()[-1]


def test_printed_commands_work_and_an_interrupt_stops_the_demo(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, "--headless", *QUICK)
    greeting = read_until(process, "Ctrl-C stops the demo")
    overview, listed, retry = [line.strip() for line in greeting.splitlines() if line.startswith("  curl ")]
    assert send(overview).text.startswith("Scenes:\n")
    read_until(process, "waiting for a manual retry")
    in_retry = send(listed).json()
    assert {scene["status"] for scene in in_retry} == {"RETRY"}
    assert send(retry).json()["Scenes"] == len(in_retry)

    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "Stopped." in text
    with pytest.raises(httpx.ConnectError):
        send(overview)


def test_jupyterlab_opens_the_dashboard_notebook(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, "--no-browser", "--token=lab-test", *QUICK)
    greeting = read_until(process, "Ctrl-C stops the demo")
    (page,) = (line.split()[1] for line in greeting.splitlines() if line.startswith("  Open "))
    assert f"/lab/tree/{NOTEBOOK}?token=lab-test" in page
    answer = httpx.get(page, follow_redirects=True, timeout=300, trust_env=False)
    assert answer.status_code == 200
    assert "jupyter-config-data" in answer.text
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 0


def test_a_time_limit_before_idle_is_an_error(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path, "--headless", "--until-idle", "--seconds=1", "--scenes=0", "--port=9500")
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert text.endswith("Not done after 1 seconds.\n")


def test_a_second_demo_in_the_same_folder_is_refused(start: Start, tmp_path: Path) -> None:
    greeting = read_until(start(tmp_path, "--headless", *QUICK), "Ctrl-C stops the demo")
    second = start(tmp_path, "--headless", "--fresh", *QUICK)
    text, _ = second.communicate(timeout=300)
    assert second.returncode == 1
    assert "already running in" in text
    (overview, *_) = [line.strip() for line in greeting.splitlines() if line.startswith("  curl ")]
    assert send(overview).status_code == 200


def test_the_demo_reports_a_store_that_cannot_be_opened(start: Start, tmp_path: Path) -> None:
    (prepare(tmp_path, fresh=False) / ".workflow" / "workflow.duckdb").write_bytes(b"no store" * 4096)
    process = start(tmp_path, "--headless", *QUICK)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "The workflow server has no store: " in text
    assert "--fresh starts from scratch" in text


def test_the_demo_uses_the_next_free_port() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        assert free_port(port) > port
        with pytest.raises(CannotStart, match="--port"):
            free_port(port, tries=1)


def test_fresh_deletes_the_state_and_keeps_notebooks(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "demo", fresh=False)
    store = folder / ".workflow" / "workflow.duckdb"
    store.touch()
    (folder / NOTEBOOK).write_text("mine")
    assert prepare(folder, fresh=False) == folder
    assert store.exists()
    prepare(folder, fresh=True)
    assert not store.exists()
    assert (folder / NOTEBOOK).read_text() == "mine"


def test_the_demo_reports_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lines: list[str] = []
    assert run(Options(folder=tmp_path / "file" / "demo", headless=True), lines.append) == 1
    assert "--dir DIR" in lines[-1]


def test_missing_jupyterlab_is_reported_with_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    lines: list[str] = []
    assert run(Options(folder=tmp_path), lines.append) == 1
    assert "pip install jupyterlab ipykernel" in lines[-1]
    assert "--headless" in lines[-1]


def test_the_dashboard_notebook_is_packaged() -> None:
    assert (notebooks() / NOTEBOOK).is_file()


def test_a_finished_ingestion_is_idle() -> None:
    assert waiting({"A": {"scenes": {"done": 1, "retry": 0}, "tiles": {}}}) == "All items are done or failed."


def test_the_command_prints_version_and_options() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == __version__
    assert "--until-idle" in CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, ["demo", "--help"]).stdout

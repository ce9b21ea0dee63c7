"""Jupyter servers with the extension, each in its own process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fault_injection import FailingDisk

TOKEN = "tests-token"
START_SECONDS = 300


@dataclass(frozen=True)
class LiveServer:
    """URLs and process of a running server."""

    base_url: str
    token: str
    process: subprocess.Popen[bytes]
    log: Path
    #: path that is polled until the server has started; empty for the root
    ready: str = ""

    @property
    def url(self) -> str:
        """Base URL of the endpoints, without a trailing slash."""
        return f"{self.base_url}workflow-monitor"

    def is_ready(self) -> bool:
        """Return True if the server responds with 200; if `ready` is set, with 200 or 503."""
        request = urllib.request.Request(f"{self.url}/{self.ready}", headers={"Authorization": f"token {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return bool(response.status == 200)
        except urllib.error.HTTPError as error:
            return bool(self.ready) and error.code == 503
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def live_server(
    folder: Path,
    base_url: str = "/",
    *,
    port: int = 0,
    ready: str = "",
    lab: bool = False,
    extensions: Mapping[str, bool] | None = None,
    disk: FailingDisk | None = None,
    variables: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    **options: object,
) -> Iterator[LiveServer]:
    """Run a Jupyter server with its state in a folder, optionally with JupyterLab or on a failing disk.

    `options` are traits of WorkflowMonitor, `variables` environment variables, and `arguments` command-line arguments.
    If `ready` is set, a 503 at that path counts as started, because the store may be unavailable.
    """
    port = port or free_port()
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    enabled = {"workflow_monitor": True, "jupyterlab": lab, "notebook": lab, **(extensions or {})}
    traits = {"store_url": f"duckdb:///{folder / 'workflow.duckdb'}", **options}
    (config / "jupyter_server_config.json").write_text(
        json.dumps(
            {
                "ServerApp": {"jpserver_extensions": enabled},
                "WorkflowMonitor": traits,
            }
        )
    )
    command = [
        *(sys.executable, "-m", "jupyter_server", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
        *("--ServerApp.port_retries=0", "--ServerApp.open_browser=False", f"--ServerApp.base_url={base_url}"),
        *("--ServerApp.allow_root=True", "--ServerApp.allow_unauthenticated_access=False"),
        f"--ServerApp.root_dir={folder}",
        *arguments,
    ]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_TOKEN": TOKEN,
        "JUPYTER_PLATFORM_DIRS": "1",
        **(variables or {}),
    }
    command = disk.command(command) if disk is not None else command
    with _started(command, environment, folder / "jupyter.log", f"http://127.0.0.1:{port}{base_url}", ready) as server:
        yield server


@contextmanager
def served(
    folder: Path, *arguments: str, base_url: str = "/", ready: str = "", **environment: str
) -> Iterator[LiveServer]:
    """Run `workflow-monitor serve` over a store in a folder, with additional arguments.

    If `ready` is set, a 503 at that path counts as started.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    store = f"duckdb:///{folder / 'workflow.duckdb'}"
    command = [
        *(sys.executable, "-m", "workflow_monitor.cli", "serve", f"--port={port}", f"--base-url={base_url}"),
        *(f"--store={store}", *arguments),
    ]
    variables = {
        **os.environ,
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "WORKFLOW_MONITOR_TOKEN": TOKEN,
        **environment,
    }
    with _started(command, variables, folder / "serve.log", f"http://127.0.0.1:{port}{base_url}", ready) as server:
        yield server


@contextmanager
def _started(
    command: list[str], environment: Mapping[str, str], log: Path, base_url: str, ready: str
) -> Iterator[LiveServer]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    server = LiveServer(base_url, TOKEN, process, log, ready)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        process.wait(120)


def _wait_until_ready(server: LiveServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.is_ready():
        assert server.process.poll() is None, server.log.read_text()[-3000:]
        assert time.monotonic() < deadline, server.log.read_text()[-3000:]
        time.sleep(0.05)

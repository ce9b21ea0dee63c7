"""A real Jupyter server with the extension, in a process of its own."""

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
START_SECONDS = 180


@dataclass(frozen=True)
class LiveServer:
    """Where it is, and the process that runs it."""

    base_url: str
    token: str
    process: subprocess.Popen[bytes]
    log: Path
    #: what answers 200 as soon as it is there
    ready: str = ""

    @property
    def url(self) -> str:
        """Where the endpoints start, without a slash at the end."""
        return f"{self.base_url}workflow-monitor"

    def answers(self) -> bool:
        """Whether it answers what it is asked to be ready, even if that is 503."""
        request = urllib.request.Request(f"{self.url}/{self.ready}", headers={"Authorization": f"token {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)
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
    """Start a server whose state is in a folder, with JupyterLab if it is asked for. It ends with the context.

    `options` are traits of WorkflowMonitor, `variables` more of its environment, and `arguments` of its command; it is
    there when it answers, be it that the store is not, at `ready`. It may be started on a disk that fails.
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
    """`workflow-monitor serve` over a store in a folder, with further arguments. It ends with the context.

    It is there when it answers, be it 503, at `ready` below the prefix.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    store = f"duckdb:///{folder / 'workflow.duckdb'}"
    command = [
        *(sys.executable, "-m", "workflow_monitor.cli", "serve", f"--port={port}", f"--base-url={base_url}"),
        *(f"--store={store}", *arguments),
    ]
    told = {
        **os.environ,
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "WORKFLOW_MONITOR_TOKEN": TOKEN,
        **environment,
    }
    with _started(command, told, folder / "serve.log", f"http://127.0.0.1:{port}{base_url}", ready) as server:
        yield server


@contextmanager
def _started(
    command: list[str], environment: Mapping[str, str], log: Path, base_url: str, ready: str
) -> Iterator[LiveServer]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    server = LiveServer(base_url, TOKEN, process, log, ready)
    try:
        _await(server)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _await(server: LiveServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.answers():
        assert server.process.poll() is None, server.log.read_text()[-3000:]
        assert time.monotonic() < deadline, server.log.read_text()[-3000:]
        time.sleep(0.05)

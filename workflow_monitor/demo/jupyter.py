"""Jupyter server of the demo, with the extension, a store and a token, on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from workflow_monitor.demo.connection import Connection, detail_of

HOST = "127.0.0.1"
PAUSE = 0.1
START_SECONDS = 60.0
STORE_SECONDS = 7.0
STOP_SECONDS = 10.0


class CannotStart(Exception):
    """The server did not start. The message names the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jupyter:
    """Configuration and process of the server."""

    folder: Path
    port: int
    token: str
    #: JupyterLab instead of the bare server
    lab: bool
    browser: bool
    notebook: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    @property
    def page(self) -> str:
        """URL of the start page, with the token."""
        return f"{self.url}{f'lab/tree/{self.notebook}' if self.lab else 'workflow-monitor/docs'}?token={self.token}"

    @property
    def log(self) -> Path:
        return state_of(self.folder) / "jupyter.log"

    @property
    def command(self) -> list[str]:
        options = {
            "ServerApp.ip": HOST,
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.folder,
            "ServerApp.base_url": "/",
            "ServerApp.open_browser": self.browser,
            "ServerApp.allow_root": os.geteuid() == 0,
            "WorkflowMonitor.store_url": f"duckdb:///{store_of(self.folder)}",
        }
        if self.lab:
            options["LabApp.default_url"] = f"/lab/tree/{self.notebook}"
        module = "jupyterlab" if self.lab else "jupyter_server"
        return [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in options.items())]

    def environment(self) -> dict[str, str]:
        """Return the environment of the server, with the token and the extension enabled.

        Other users can read command lines, so the token is not an option.
        """
        config = state_of(self.folder) / "config"
        enabled = config / "jupyter_server_config.d" / "workflow_monitor.json"
        enabled.parent.mkdir(parents=True, exist_ok=True)
        enabled.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"workflow_monitor": True}}}))
        paths = [str(config), os.environ.get("JUPYTER_CONFIG_PATH", "")]
        return {
            **os.environ,
            "JUPYTER_TOKEN": self.token,
            "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths)),
        }

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start the server, wait until it responds, and stop it at the end. Raises CannotStart."""
        state_of(self.folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        # Jupyter logs its URL with the token.
        self.log.unlink(missing_ok=True)
        self.log.touch(0o600)
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Keeps Ctrl-C from the server, which stops after the workers.
                start_new_session=True,
                umask=0o077,
            )
        try:
            await self._wait_until_ready(process)
            yield process
        finally:
            await _stop(process)

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        """Poll the endpoint until it succeeds. Raises CannotStart."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + START_SECONDS
        reason = f"Jupyter did not respond within {START_SECONDS:g} seconds: see {self.log}"
        async with Connection(self.url, self.token) as connection:
            while clock() < deadline:
                if process.returncode is not None:
                    raise CannotStart(f"Jupyter exited immediately. The end of its log, {self.log}:\n{self._log_end()}")
                with contextlib.suppress(httpx.TransportError):
                    response = await connection.once("GET", "aoi/")
                    if response.is_success:
                        return
                    if clock() < deadline - STORE_SECONDS:
                        # A server that is shutting down may still hold the store.
                        deadline = clock() + STORE_SECONDS
                    reason = self._explain(response)
                await asyncio.sleep(PAUSE)
        raise CannotStart(reason)

    def _explain(self, response: httpx.Response) -> str:
        """Return the reason of a failed poll. Raises CannotStart if waiting cannot help."""
        if response.status_code == 503:
            return f"The workflow server has no store: {detail_of(response)} (Its log: {self.log}; --fresh starts from scratch.)"
        if response.status_code == 404:
            raise CannotStart(f"Jupyter runs, but without the extension workflow_monitor: see {self.log}")
        if response.status_code in {401, 403}:
            raise CannotStart(f"Another server has just bound port {self.port}. Start again, or name a port: --port N")
        raise CannotStart(f"The workflow server returned {response.status_code}: {detail_of(response)}")

    def _log_end(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-15:])


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    finally:
        # A second Ctrl-C cancels the wait.
        if process.returncode is None:
            process.kill()


def state_of(folder: Path) -> Path:
    """Return the folder of store, log and configuration."""
    return folder / ".workflow"


def store_of(folder: Path) -> Path:
    """Return the path of the DuckDB store."""
    return state_of(folder) / "workflow.duckdb"


def is_in_use(folder: Path) -> bool:
    """Return True while a server holds the lock of the store."""
    try:
        lock = os.open(store_of(folder).with_name(f"{store_of(folder).name}.lock"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def free_port(first: int, tries: int = 100) -> int:
    """Return the first free port from `first` on. Raises CannotStart."""
    for port in range(first, first + tries):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise CannotStart(f"All ports from {first} to {first + tries - 1} are in use. Choose another: --port N")


def missing(lab: bool) -> Mapping[str, str]:
    """Return the packages to install, by module name."""
    needed = {"jupyterlab": "jupyterlab", "ipykernel": "ipykernel"} if lab else {}
    return {module: package for module, package in needed.items() if importlib.util.find_spec(module) is None}

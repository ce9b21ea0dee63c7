"""A Jupyter server of the demo's own: with the extension, a store and a token, on a free port."""

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
    """The server did not come up; the text says why and what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jupyter:
    """How the server is started."""

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
        """The address that a person opens."""
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
        """Ours, with the token (a command line can be seen by everybody) and the extension switched on."""
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
        """The server's process, answering; it is stopped at the end. Raises CannotStart."""
        state_of(self.folder).mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us; we stop the server when our own work is put away.
                start_new_session=True,
            )
        try:
            await self._answering(process)
            yield process
        finally:
            await _stop(process)

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        """Wait until the endpoint answers."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + START_SECONDS
        why = f"Jupyter did not answer within {START_SECONDS:g} seconds: see {self.log}"
        async with Connection(self.url, self.token) as connection:
            while clock() < deadline:
                if process.returncode is not None:
                    raise CannotStart(f"Jupyter ended at once. The end of its log, {self.log}:\n{self._log_end()}")
                with contextlib.suppress(httpx.TransportError):
                    answer = await connection.once("GET", "aoi/")
                    if answer.is_success:
                        return
                    if clock() < deadline - STORE_SECONDS:
                        # The store may still be in the hands of a server that is about to end.
                        deadline = clock() + STORE_SECONDS
                    why = self._why_not(answer)
                await asyncio.sleep(PAUSE)
        raise CannotStart(why)

    def _why_not(self, answer: httpx.Response) -> str:
        """What an answer other than a success means; raises CannotStart if waiting does not help."""
        if answer.status_code == 503:
            return f"The workflow server has no store: {detail_of(answer)} (Its log: {self.log}; --fresh starts anew.)"
        if answer.status_code == 404:
            raise CannotStart(f"Jupyter runs, but without the extension workflow_monitor: see {self.log}")
        if answer.status_code in {401, 403}:
            raise CannotStart(f"Another server has just taken port {self.port}. Start again, or name a port: --port N")
        raise CannotStart(f"The workflow server answers {answer.status_code}: {detail_of(answer)}")

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
        # Also when an impatient second Ctrl-C ends the waiting.
        if process.returncode is None:
            process.kill()


def state_of(folder: Path) -> Path:
    """Where the store, the log and the configuration of a demo's folder are."""
    return folder / ".workflow"


def store_of(folder: Path) -> Path:
    """The file in which a demo's folder keeps the ingestions."""
    return state_of(folder) / "workflow.duckdb"


def is_in_use(folder: Path) -> bool:
    """True while a server holds the store of a demo's folder."""
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
    """The first port from this one on that nobody listens at."""
    for port in range(first, first + tries):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise CannotStart(f"All ports from {first} to {first + tries - 1} are taken. Name another: --port N")


def missing(lab: bool) -> Mapping[str, str]:
    """What has to be installed, by the name of its module."""
    needed = {"jupyterlab": "jupyterlab", "ipykernel": "ipykernel"} if lab else {}
    return {module: package for module, package in needed.items() if importlib.util.find_spec(module) is None}

"""JupyterHub with a workflow server as its service and Jupyter servers for its users."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.paths import ROOT
from tests.server_process import free_port

ADMIN = "0123456789abcdef-of-the-admin"
PASSWORD = "pass-of-all-users"
START_SECONDS = 300
SERVICE = "/services/ingestion/"

CONFIG = """
import sys
sys.path.insert(0, {root!r})
from tests.jupyterhub_proxy import PythonProxy

# The configuration of docs/deploy, then the overrides of the tests.
load_subconfig({deploy!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.proxy_class = PythonProxy
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allowed_users = {{"eva", "bob"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.args = ["--allow-root"]
[ingestion] = c.JupyterHub.services
ingestion["url"] = "http://127.0.0.1:{service_port}"
ingestion["command"][-1] = "--store=duckdb:///{store}"
ingestion["environment"] |= {environment!r}
ingestion["cwd"] = {root!r}
c.JupyterHub.services.append({{"name": "admin", "api_token": {admin!r}}})
c.JupyterHub.load_roles.append(
    {{"name": "the-admin", "services": ["admin"], "scopes": ["admin:users", "admin:servers", "tokens", "list:users"]}}
)
c.Spawner.environment |= {{
    "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server",
    "JUPYTER_CONFIG_PATH": {config!r},
    "JUPYTER_PLATFORM_DIRS": "1",
    "WORKFLOW_MONITOR_UPSTREAM": "http://127.0.0.1:{port}{service}",
}}
"""


@dataclass(frozen=True)
class Hub:
    """URL and process of a running hub."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    #: URL of the service, bypassing the proxy of the hub
    service: str

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the REST API of the hub as its administrator, and return the document."""
        answer = httpx.request(
            method,
            f"{self.url}/hub/api/{path}",
            json=body,
            headers={"Authorization": f"token {ADMIN}"},
            timeout=300,
            trust_env=False,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def token(self, user: str) -> str:
        """Create a token with all scopes of a user."""
        return str(self.admin("POST", f"users/{user}/tokens", {})["token"])

    def client(self, base: str, token: str, **headers: str) -> httpx.Client:
        """Return a client with a token for a path of the hub; without authorization if the token is empty."""
        credentials = {"Authorization": f"token {token}"} if token else {}
        all_headers = {**credentials, "Accept": "application/problem+json", **headers}
        return httpx.Client(base_url=f"{self.url}{base}", headers=all_headers, timeout=300, trust_env=False)

    def start_server(self, user: str) -> str:
        """Start the Jupyter server of a user and return its path."""
        self.admin("POST", f"users/{user}/server")
        deadline = time.monotonic() + START_SECONDS
        while not self.admin("GET", f"users/{user}")["servers"].get("", {}).get("ready"):
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)
        return f"/user/{user}/"


@contextmanager
def running_hub(folder: Path, store: Path, **environment: str) -> Iterator[Hub]:
    """Run a hub with the service `ingestion` over a store; `environment` applies to the service."""
    config = folder / "config" / "jupyter_server_config.d"
    config.mkdir(parents=True)
    (config / "workflow_monitor.json").write_text(
        '{"ServerApp": {"jpserver_extensions": {"workflow_monitor": true, "jupyterlab": false, "notebook": false}}}'
    )
    port, service_port = free_port(), free_port()
    (folder / "jupyterhub_config.py").write_text(
        CONFIG.format(
            root=str(ROOT),
            deploy=str(ROOT / "docs" / "deploy" / "jupyterhub_config.py"),
            port=port,
            hub_port=free_port(),
            service_port=service_port,
            admin=ADMIN,
            password=PASSWORD,
            config=str(config.parent),
            home=f"{folder}/{{username}}",
            service=SERVICE,
            store=store,
            environment={"JUPYTER_RUNTIME_DIR": str(folder / "runtime"), **environment},
        )
    )
    log = folder / "hub.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(folder / "jupyterhub_config.py")],
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    hub = Hub(f"http://127.0.0.1:{port}", process, log, f"http://127.0.0.1:{service_port}{SERVICE}workflow-monitor/")
    try:
        _wait_until_ready(hub)
        yield hub
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(hub: Hub) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _responds(f"{hub.url}{SERVICE}api"):
        assert hub.process.poll() is None, hub.log.read_text()[-5000:]
        assert time.monotonic() < deadline, hub.log.read_text()[-5000:]
        time.sleep(0.1)


def _responds(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False

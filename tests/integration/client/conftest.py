"""Monitor connected to a server with a small ingestion; see `tests.example_servers`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.example_servers import AOIS, TOKEN, Servers, call
from tests.server_process import LiveServer
from workflow_monitor import Monitor


@pytest.fixture
def server(example_servers: Servers) -> LiveServer:
    return example_servers.untouched()


@pytest.fixture
def m(server: LiveServer) -> Iterator[Monitor]:
    with Monitor(server.base_url, token=TOKEN, actor="Åse Ørsted") as monitor:
        yield monitor
    # Delete the AOIs of a test, so that the next test can share the server.
    for name in [aoi["ID"] for aoi in call(server, "GET", "aoi/") if aoi["ID"] not in AOIS]:
        call(server, "DELETE", f"aoi/{quote(name, safe='')}")


@pytest.fixture(autouse=True)
def _isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the Jupyter server or hub that runs the tests."""
    for name in ("WORKFLOW_MONITOR_URL", "WORKFLOW_MONITOR_TOKEN", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SERVICE_PREFIX", "SERVICE_URL", "API_TOKEN", "USER"):
        monkeypatch.delenv(f"JUPYTERHUB_{name}", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))

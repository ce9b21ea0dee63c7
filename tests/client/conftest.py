"""A Monitor over a server with a small ingestion; see `serving`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.serving import TOKEN, Servers
from tests.live import LiveServer
from workflow_monitor import Monitor


@pytest.fixture
def server(example_servers: Servers) -> LiveServer:
    return example_servers.untouched()


@pytest.fixture
def m(server: LiveServer) -> Iterator[Monitor]:
    with Monitor(server.base_url, token=TOKEN, actor="Åse Ørsted") as monitor:
        yield monitor


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever Jupyter or hub runs the tests is not to be found."""
    for name in ("WORKFLOW_MONITOR_URL", "WORKFLOW_MONITOR_TOKEN", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SERVICE_PREFIX", "SERVICE_URL", "API_TOKEN", "USER"):
        monkeypatch.delenv(f"JUPYTERHUB_{name}", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))

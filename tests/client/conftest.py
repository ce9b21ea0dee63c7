"""A Monitor over a server with a small ingestion; see `serving`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.serving import TOKEN, Servers, seed
from tests.live import LiveServer
from workflow_monitor import Monitor


@pytest.fixture(scope="session")
def seeded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with the ingestion."""
    return seed(tmp_path_factory.mktemp("seeded"))


@pytest.fixture(scope="session")
def example_servers(seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers over copies of that store."""
    with Servers(seeded_store, tmp_path_factory) as servers:
        yield servers


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

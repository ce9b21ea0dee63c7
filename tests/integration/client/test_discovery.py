"""`Monitor()` finds its server, lists the candidates, and sends tokens only to their server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.example_servers import TOKEN
from tests.fake_server import Scripted, answer
from tests.server_process import LiveServer, free_port
from workflow_monitor import Monitor
from workflow_monitor.client.errors import AccessDenied, ServerNotFound
from workflow_monitor.connection.environment import Environment


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Runtime directory of Jupyter with the files of running servers."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    return folder


def tell(runtime: Path, pid: int, url: str, token: str = TOKEN) -> None:
    (runtime / f"jpserver-{pid}.json").write_text(json.dumps({"pid": pid, "url": url, "token": token}))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(monitor: Monitor) -> list[str]:
    with monitor:
        return monitor.names()


NAMES = ["DenmarkS1", "DenmarkS2"]


def test_the_variables_name_a_server(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", server.base_url)
    monkeypatch.setenv("WORKFLOW_MONITOR_TOKEN", TOKEN)
    assert names(Monitor()) == NAMES


def test_the_server_that_started_the_kernel(server: LiveServer, monkeypatch: pytest.MonkeyPatch, runtime: Path) -> None:
    tell(runtime, server.process.pid, server.base_url)
    tell(runtime, os.getpid(), f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("JPY_PARENT_PID", str(server.process.pid))
    assert names(Monitor()) == NAMES


def test_a_kernel_of_that_server_needs_its_announcement_and_its_file_only(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    tell(runtime, server.process.pid, server.base_url)
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", f"{server.url}/")
    assert names(Monitor()) == NAMES


def test_the_only_running_server(server: LiveServer, runtime: Path) -> None:
    tell(runtime, server.process.pid, server.base_url)
    tell(runtime, dead_pid(), f"http://127.0.0.1:{free_port()}/")
    (runtime / "jpserver-1.json").write_text("{half")
    (runtime / "jpserver-2.json").write_text('["no server"]')
    assert names(Monitor()) == NAMES


def test_several_servers_are_listed_to_choose_from(server: LiveServer, runtime: Path) -> None:
    tell(runtime, server.process.pid, server.base_url)
    tell(runtime, os.getpid(), server.base_url)
    with pytest.raises(ServerNotFound, match="Several workflow servers run here") as caught:
        Monitor()
    assert len(caught.value.looked_at) == 2
    assert all(f'Monitor("{server.base_url}")' in line for line in caught.value.looked_at)
    assert TOKEN not in str(caught.value)


def test_none_says_where_it_was_looked_and_what_to_type(runtime: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    tell(runtime, os.getpid(), url)
    with pytest.raises(ServerNotFound) as caught:
        Monitor(retries=0)
    said = str(caught.value)
    assert 'Monitor("https://host/…/", token="…")' in said
    assert "WORKFLOW_MONITOR_URL" in said
    assert "JPY_PARENT_PID" in said
    assert url in said
    assert TOKEN not in said


def test_nothing_runs_at_all(runtime: Path) -> None:
    with pytest.raises(ServerNotFound, match="no Jupyter server of yours runs on this machine") as caught:
        Monitor()
    assert str(runtime) in str(caught.value)


def test_a_named_server_that_is_away_is_not_replaced_by_another(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    tell(runtime, server.process.pid, server.base_url)
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(ServerNotFound, match="in WORKFLOW_MONITOR_URL does not respond"):
        Monitor(retries=0)


def test_the_server_of_a_hub_user(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/eva/")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", server.base_url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", TOKEN)
    monkeypatch.setenv("JUPYTERHUB_USER", "eva")
    with Monitor() as m:
        assert m.names() == NAMES
        assert m.actor == "eva"


def test_an_address_as_copied_from_the_browser(server: LiveServer) -> None:
    assert names(Monitor(f"{server.base_url}lab/tree/a.ipynb?token={TOKEN}")) == NAMES


def test_a_jupyter_server_without_the_extension() -> None:
    with Scripted(lambda _: answer("<title>Jupyter Server</title>", 404, "text/html")) as plain:
        with pytest.raises(ServerNotFound, match="but without the workflow monitor") as caught:
            Monitor(plain.url)
        assert "pip install workflow-monitor" in str(caught.value)


def test_a_wrong_token_is_said_to_be_one(server: LiveServer) -> None:
    with pytest.raises(AccessDenied):
        Monitor(server.base_url, token="wrong")


def sent_to(other: Scripted) -> str:
    return "\n".join(f"{request.path} {dict(request.headers)}" for request in other.requests)


def test_no_token_goes_to_a_server_that_it_is_not_for(monkeypatch: pytest.MonkeyPatch, runtime: Path) -> None:
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("WORKFLOW_MONITOR_TOKEN", "of-the-announced-one")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/eva/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "of-the-hub")
    tell(runtime, os.getpid(), f"http://127.0.0.1:{free_port()}/", "of-a-running-one")
    with Scripted(lambda _: "") as other, Monitor(other.url) as m:
        assert m.url.startswith(other.url)
        assert other.requests
        assert "of-" not in sent_to(other)


def test_the_token_of_a_hub_goes_to_its_own_host_only() -> None:
    environment = {
        "JUPYTERHUB_SERVICE_PREFIX": "/user/eva/",
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/eva/",
        "JUPYTERHUB_API_TOKEN": "of-the-hub",
    }
    around = Environment(environment, Path("/nowhere"))
    assert around.token_for("http://127.0.0.1:8888/user/eva/")
    assert around.token_for("http://127.0.0.1:8888/user/adam/") is None
    assert around.token_for("http://elsewhere.example.org/user/eva/") is None

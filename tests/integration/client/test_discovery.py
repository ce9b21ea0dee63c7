"""`Monitor()` finds its server, lists the candidates, and sends tokens only to their server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.example_servers import TOKEN
from tests.fake_server import ScriptedServer, response
from tests.other_users import make_foreign
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


def add_runtime_file(runtime: Path, pid: int, url: str, token: str = TOKEN) -> None:
    (runtime / f"jpserver-{pid}.json").write_text(json.dumps({"pid": pid, "url": url, "token": token}))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(monitor: Monitor) -> list[str]:
    with monitor:
        return monitor.names()


NAMES = ["DenmarkS1", "DenmarkS2"]


def test_environment_variables_select_the_server(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", server.base_url)
    monkeypatch.setenv("WORKFLOW_MONITOR_TOKEN", TOKEN)
    assert names(Monitor()) == NAMES


def test_the_parent_server_of_the_kernel_is_preferred(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    add_runtime_file(runtime, server.process.pid, server.base_url)
    add_runtime_file(runtime, os.getpid(), f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("JPY_PARENT_PID", str(server.process.pid))
    assert names(Monitor()) == NAMES


def test_the_url_variable_and_the_runtime_file_suffice_in_a_kernel(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    add_runtime_file(runtime, server.process.pid, server.base_url)
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", f"{server.url}/")
    assert names(Monitor()) == NAMES


def test_the_only_running_server_is_selected(server: LiveServer, runtime: Path) -> None:
    add_runtime_file(runtime, server.process.pid, server.base_url)
    add_runtime_file(runtime, dead_pid(), f"http://127.0.0.1:{free_port()}/")
    (runtime / "jpserver-1.json").write_text("{half")
    (runtime / "jpserver-2.json").write_text('["no server"]')
    assert names(Monitor()) == NAMES


def test_the_error_lists_several_running_servers(server: LiveServer, runtime: Path) -> None:
    add_runtime_file(runtime, server.process.pid, server.base_url)
    add_runtime_file(runtime, os.getpid(), server.base_url)
    with pytest.raises(ServerNotFound, match="Several workflow servers run here") as caught:
        Monitor()
    assert len(caught.value.looked_at) == 2
    assert all(f"Monitor({server.base_url!r})" in line for line in caught.value.looked_at)
    assert TOKEN not in str(caught.value)


def test_the_error_lists_the_candidates_and_the_fix(runtime: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    add_runtime_file(runtime, os.getpid(), url)
    with pytest.raises(ServerNotFound) as caught:
        Monitor(retries=0)
    message = str(caught.value)
    assert 'Monitor("https://host/…/", token="…")' in message
    assert "WORKFLOW_MONITOR_URL" in message
    assert "JPY_PARENT_PID" in message
    assert url in message
    assert TOKEN not in message


def test_the_error_without_servers_names_the_runtime_directory(runtime: Path) -> None:
    with pytest.raises(ServerNotFound, match="no Jupyter server of yours runs on this machine") as caught:
        Monitor()
    assert str(runtime) in str(caught.value)


def test_an_unreachable_configured_server_is_not_replaced(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    add_runtime_file(runtime, server.process.pid, server.base_url)
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(ServerNotFound, match="in WORKFLOW_MONITOR_URL does not respond"):
        Monitor(retries=0)


def test_the_server_of_a_hub_user_is_selected(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/eva/")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", server.base_url)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", TOKEN)
    monkeypatch.setenv("JUPYTERHUB_USER", "eva")
    with Monitor() as m:
        assert m.names() == NAMES
        assert m.actor == "eva"


def test_a_browser_address_with_a_token_is_accepted(server: LiveServer) -> None:
    assert names(Monitor(f"{server.base_url}lab/tree/a.ipynb?token={TOKEN}")) == NAMES


def test_a_jupyter_server_without_the_extension_raises() -> None:
    with ScriptedServer(lambda _: response("<title>Jupyter Server</title>", 404, "text/html")) as plain:
        with pytest.raises(ServerNotFound, match="but without the workflow monitor") as caught:
            Monitor(plain.url)
        assert "pip install workflow-monitor" in str(caught.value)


def test_a_wrong_token_raises_access_denied(server: LiveServer) -> None:
    with pytest.raises(AccessDenied):
        Monitor(server.base_url, token="wrong")


def sent_to(other: ScriptedServer) -> str:
    return "\n".join(f"{request.path} {dict(request.headers)}" for request in other.requests)


def test_tokens_are_sent_only_to_their_server(monkeypatch: pytest.MonkeyPatch, runtime: Path) -> None:
    monkeypatch.setenv("WORKFLOW_MONITOR_URL", f"http://127.0.0.1:{free_port()}/")
    monkeypatch.setenv("WORKFLOW_MONITOR_TOKEN", "of-the-configured-server")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/eva/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "of-the-hub")
    add_runtime_file(runtime, os.getpid(), f"http://127.0.0.1:{free_port()}/", "of-a-running-server")
    with ScriptedServer(lambda _: "") as other, Monitor(other.url) as m:
        assert m.url.startswith(other.url)
        assert other.requests
        assert "of-" not in sent_to(other)


def test_a_hub_token_is_sent_only_to_its_host() -> None:
    environment = {
        "JUPYTERHUB_SERVICE_PREFIX": "/user/eva/",
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/eva/",
        "JUPYTERHUB_API_TOKEN": "of-the-hub",
    }
    around = Environment(environment, Path("/nowhere"))
    assert around.token_for("http://127.0.0.1:8888/user/eva/")
    assert around.token_for("http://127.0.0.1:8888/user/adam/") is None
    assert around.token_for("http://elsewhere.example.org/user/eva/") is None


# ---- runtime files of other users and machines


def test_the_runtime_file_of_another_user_is_not_used(
    server: LiveServer, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_MONITOR_TOKEN", "secret-of-the-user")
    with ScriptedServer(lambda _: "") as trap:
        add_runtime_file(runtime, os.getpid(), trap.url, "")
        forged = runtime / f"jpserver-{os.getpid()}.json"
        reason = make_foreign(forged)
        monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
        with pytest.raises(ServerNotFound) as caught:
            Monitor(retries=0)
    assert trap.requests == []
    assert f"{forged}: not trusted, because another user may have written it ({reason})" in str(caught.value)
    add_runtime_file(runtime, server.process.pid, server.base_url)
    monkeypatch.delenv("WORKFLOW_MONITOR_TOKEN")
    assert names(Monitor()) == NAMES


def test_the_runtime_files_in_a_folder_of_all_users_are_not_used(runtime: Path) -> None:
    with ScriptedServer(lambda _: "") as trap:
        add_runtime_file(runtime, os.getpid(), trap.url)
        runtime.chmod(0o777)
        with pytest.raises(ServerNotFound, match="of its folder, all users can write it") as caught:
            Monitor(retries=0)
    assert trap.requests == []
    assert "not trusted" in str(caught.value)


def test_a_runtime_file_with_the_address_of_another_machine_is_not_used(runtime: Path) -> None:
    add_runtime_file(runtime, os.getpid(), "http://192.0.2.1:8888/")
    with pytest.raises(ServerNotFound, match=r"http://192\.0\.2\.1:8888/ is not an address of this machine"):
        Monitor(retries=0)

"""`workflow-monitor serve`: the workflow server without notebooks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from traitlets.config import Config
from typer.testing import CliRunner

from tests.server_process import TOKEN, LiveServer, served
from workflow_monitor.cli import app
from workflow_monitor.client import Monitor
from workflow_monitor.server.standalone import HUB_VARIABLES, build_config

ADDRESS = {"Authorization": f"token {TOKEN}", "Host": "workflows.example"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("serve")
    # Ignore the Jupyter configuration of this machine.
    config = folder / "config"
    config.mkdir()
    enabled = '{"ServerApp": {"jpserver_extensions": {"jupyterlab": true, "voila.server_extension": true}}}'
    (config / "jupyter_server_config.json").write_text(enabled)
    arguments = ("--WorkflowMonitor.max_streams=0",)
    with served(folder, *arguments, base_url="/a/", JUPYTER_CONFIG_DIR=str(config)) as running:
        yield running


def test_serve_uses_the_store_and_the_traits_of_its_arguments(server: LiveServer) -> None:
    with Monitor(server.base_url, token=TOKEN, actor="eva") as m:
        m.create("Fyn")
        assert list(m) == ["Fyn"]
    assert (server.log.parent / "workflow.duckdb").exists()
    answer = httpx.get(f"{server.url}/events", headers=ADDRESS | {"Host": "127.0.0.1"}, trust_env=False)
    assert answer.status_code == 429, "max_streams=0 was ignored"


@pytest.mark.parametrize("path", ["lab", "voila", "api/contents", "api/kernels", "api/terminals", "files/x", "tree"])
def test_other_extensions_are_not_served(server: LiveServer, path: str) -> None:
    answer = httpx.get(f"{server.base_url}{path}", headers={"Authorization": f"token {TOKEN}"}, trust_env=False)
    assert answer.status_code == 404


def test_a_browser_is_redirected_to_login_and_docs(server: LiveServer) -> None:
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        assert browser.get(server.base_url).url.path == "/a/login"
        page = browser.get(server.base_url, params={"token": TOKEN})
        assert (page.status_code, page.url.path) == (200, "/a/workflow-monitor/docs")


def test_the_log_hides_the_token(server: LiveServer) -> None:
    log = server.log.read_text()
    assert "/a/" in log
    assert TOKEN not in log


def test_foreign_host_names_require_trusted_proxy_headers(server: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert httpx.get(f"{server.url}/", headers=ADDRESS, trust_env=False).status_code == 403
    arguments = ("--behind-proxy", f"--token-file={file}")
    with served(tmp_path / "proxied", *arguments, WORKFLOW_MONITOR_TOKEN="another") as proxied:
        assert httpx.get(f"{proxied.url}/", headers=ADDRESS, trust_env=False).text == "ingester ok"


def test_incomplete_hub_variables_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HUB_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, ["serve", "--hub"])
    assert result.exit_code == 1
    assert all(name in result.stderr for name in HUB_VARIABLES)


def test_workers_keep_access_while_the_hub_is_down(tmp_path: Path) -> None:
    hub = {
        "JUPYTERHUB_SERVICE_NAME": "ingestion",
        "JUPYTERHUB_API_TOKEN": "of-the-service-0123456789",
        "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
        "JUPYTERHUB_CLIENT_ID": "service-ingestion",
        "WORKFLOW_MONITOR_WORKER_TOKEN": "0123456789abcdef-of-workers",
    }
    with served(tmp_path, base_url="/services/ingestion/", ready="aoi/", **hub) as server:
        headers = {"Authorization": "token eva", "Accept": "application/json"}
        answer = httpx.get(f"{server.url}/aoi/", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (503, "identity-unavailable")
        headers = {"Authorization": f"token {hub['WORKFLOW_MONITOR_WORKER_TOKEN']}"}
        assert httpx.post(f"{server.url}/results", headers=headers, json=[], trust_env=False).status_code == 200


def configured(**options: object) -> Config:
    defaults = {"host": None, "port": None, "base_url": None, "store": None, "token": ""}
    return build_config(**{**defaults, "behind_proxy": False, "hub": False, **options})  # type: ignore[arg-type]


def test_a_hub_service_listens_on_the_address_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = dict.fromkeys(HUB_VARIABLES, "x") | {
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.5:9000",
        "JUPYTERHUB_SERVICE_PREFIX": "/hubs/services/ingestion/",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server = configured(hub=True, token="ours").ServerApp
    assert (server.ip, server.port, server.base_url) == ("127.0.0.5", 9000, "/hubs/services/ingestion/")
    assert server.allow_remote_access
    assert "IdentityProvider" not in configured(hub=True, token="ours")
    assert configured(hub=True, port=1, base_url="/b/").ServerApp.port == 1
    assert configured().ServerApp.base_url == "/"
    assert "allow_remote_access" not in configured().ServerApp


# ---- requests without a token, and secrets


@pytest.mark.parametrize("name", ["Origin", "Referer"])
@pytest.mark.parametrize("path", ["workflow-monitor/aoi/", "login", "api/me", "nothing"])
def test_invalid_addresses_in_headers_are_no_failure(server: LiveServer, path: str, name: str) -> None:
    before = server.log.stat().st_size
    for method in ("GET", "POST"):
        response = httpx.request(method, f"{server.base_url}{path}", headers={name: "http://["}, trust_env=False)
        assert response.status_code < 500
    log = server.log.read_bytes()[before:].decode()
    assert "Traceback (most recent call last)\n  File" not in log
    assert "Invalid IPv6 URL" not in log


def test_long_addresses_do_not_fill_the_log(server: LiveServer) -> None:
    before = server.log.stat().st_size
    for _ in range(20):
        httpx.get(f"{server.base_url}workflow-monitor/aoi/?x={'y' * 30_000}", trust_env=False)
    assert server.log.stat().st_size - before < 200_000


def test_all_files_of_the_server_are_private(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        with served(tmp_path / "state"):
            files = {file: file.stat().st_mode & 0o077 for file in (tmp_path / "state" / "runtime").iterdir()}
    finally:
        os.umask(previous)
    assert any(file.name.startswith("jpserver-") for file in files)
    assert not any(files.values())
    assert not any(file.suffix == ".html" for file in files)

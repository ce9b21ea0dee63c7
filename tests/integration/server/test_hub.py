"""`workflow-monitor serve` as a service of a real JupyterHub, with the users and the access rules of the hub."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.jupyterhub_server import PASSWORD, SERVICE, Hub, running_hub

WORKER_TOKEN = "0123456789abcdef-of-workers"


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Replace the event loop of pytest-jupyter: the servers run in other processes."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Replace the clean-up of pytest-jupyter."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    with running_hub(folder, folder / "workflow.duckdb", WORKFLOW_MONITOR_WORKER_TOKEN=WORKER_TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def eva(hub: Hub) -> str:
    return hub.token("eva")


def actors(client: httpx.Client, aoi: str) -> list[str]:
    """Return the actors of the events of an AOI."""
    events = client.get(f"workflow-monitor/aoi/{aoi}/history").raise_for_status().json()
    return [event["who"] for event in events]


def test_the_actor_is_the_user_of_the_hub_despite_the_header(hub: Hub, eva: str) -> None:
    with hub.client(SERVICE, eva, **{"X-Workflow-Monitor-Actor": "bob"}) as client:
        client.post("workflow-monitor/aoi/Fyn").raise_for_status()
        assert actors(client, "Fyn") == ["eva"]


def test_other_users_are_refused(hub: Hub) -> None:
    for token in (hub.token("bob"), "of-no-user", ""):
        with hub.client(SERVICE, token) as client:
            for method, path in (("GET", "aoi/"), ("POST", "aoi/Als"), ("GET", "docs"), ("GET", "events")):
                response = client.request(method, f"workflow-monitor/{path}")
                assert (response.status_code, response.json()["code"]) == (403, "not-allowed"), (token, path)


def test_workers_report_with_the_worker_token(hub: Hub) -> None:
    with hub.client(SERVICE, WORKER_TOKEN) as client:
        assert client.post("workflow-monitor/results", json=[]).raise_for_status().json()["applied"] == 0
        assert client.get("workflow-monitor/aoi/").status_code == 403


def test_a_browser_logs_in_through_the_hub(hub: Hub) -> None:
    with hub.client("", "") as browser:
        browser.follow_redirects = True
        form = browser.get(SERVICE)
        assert form.url.path == "/hub/login"
        [xsrf] = set(re.findall(r'name="_xsrf" value="([^"]+)"', form.text))
        action = f"{form.url.path}?{form.url.query.decode()}"
        page = browser.post(action, data={"username": "eva", "password": PASSWORD, "_xsrf": xsrf})
        assert (page.status_code, page.url.path) == (200, f"{SERVICE}workflow-monitor/docs")
        assert browser.post(f"{SERVICE}workflow-monitor/aoi/Als").status_code == 403, "without an XSRF header"
        [xsrf] = [cookie.value for cookie in browser.cookies.jar if (cookie.name, cookie.path) == ("_xsrf", SERVICE)]
        header = {"X-XSRFToken": str(xsrf)}
        assert browser.post(f"{SERVICE}workflow-monitor/aoi/Als", headers=header).status_code == 204


def test_the_jupyter_server_of_a_user_forwards_to_the_service(hub: Hub, eva: str) -> None:
    """Both hops, to the server of the user and to the service, go through the proxy of the hub."""
    user_server = hub.start_server("eva")
    with hub.client(user_server, eva) as client, client.stream("GET", "workflow-monitor/events") as live:
        lines = live.iter_lines()
        assert next(lines) == "retry: 2000"
        client.post("workflow-monitor/aoi/Samso").raise_for_status()
        event = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
        assert (event["aoi"], event["who"]) == ("Samso", "eva")
    with hub.client(SERVICE, eva) as client:
        assert actors(client, "Samso") == ["eva"]


def test_a_verified_user_keeps_access_while_the_hub_is_unavailable(hub: Hub, eva: str) -> None:
    headers = {"Authorization": f"token {eva}"}
    httpx.get(f"{hub.service}aoi/", headers=headers, trust_env=False, timeout=120).raise_for_status()
    hub.process.send_signal(signal.SIGSTOP)
    try:
        httpx.get(f"{hub.service}aoi/", headers=headers, trust_env=False, timeout=120).raise_for_status()
    finally:
        hub.process.send_signal(signal.SIGCONT)


def test_the_log_contains_no_token(hub: Hub, eva: str) -> None:
    log = hub.log.read_text()
    assert "requests_forwarded" in log
    assert not [token for token in (eva, WORKER_TOKEN) if token in log]

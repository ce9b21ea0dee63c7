"""`workflow-monitor serve` as a service of a real JupyterHub: whom the hub knows acts, and who may not, does not get in."""

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
    """No event loop of pytest-jupyter's: no server is in this process."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nothing to clean up in that loop."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    with running_hub(folder, folder / "workflow.duckdb", WORKFLOW_MONITOR_WORKER_TOKEN=WORKER_TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def eva(hub: Hub) -> str:
    return hub.token("eva")


def who(client: httpx.Client, aoi: str) -> list[str]:
    """Who did what happened in an AOI."""
    events = client.get(f"workflow-monitor/aoi/{aoi}/history").raise_for_status().json()
    return [event["who"] for event in events]


def test_who_acts_is_whom_the_hub_knows_whatever_is_claimed(hub: Hub, eva: str) -> None:
    with hub.client(SERVICE, eva, **{"X-Workflow-Monitor-Actor": "bob"}) as client:
        client.post("workflow-monitor/aoi/Fyn").raise_for_status()
        assert who(client, "Fyn") == ["eva"]


def test_others_do_not_get_in(hub: Hub) -> None:
    for token in (hub.token("bob"), "of-nobody", ""):
        with hub.client(SERVICE, token) as client:
            for method, path in (("GET", "aoi/"), ("POST", "aoi/Als"), ("GET", "docs"), ("GET", "events")):
                answer = client.request(method, f"workflow-monitor/{path}")
                assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), (token, path)


def test_workers_get_in_with_their_own_token(hub: Hub) -> None:
    with hub.client(SERVICE, WORKER_TOKEN) as client:
        assert client.post("workflow-monitor/results", json=[]).raise_for_status().json()["applied"] == 0
        assert client.get("workflow-monitor/aoi/").status_code == 403


def test_a_person_arrives_by_the_hubs_login(hub: Hub) -> None:
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


def test_the_jupyter_server_of_a_user_passes_on_to_it(hub: Hub, eva: str) -> None:
    """Through the hub's proxy to the user's server, and from there through the proxy to the service."""
    own = hub.start_server("eva")
    with hub.client(own, eva) as client, client.stream("GET", "workflow-monitor/events") as live:
        lines = live.iter_lines()
        assert next(lines) == "retry: 2000"
        client.post("workflow-monitor/aoi/Samso").raise_for_status()
        heard = json.loads(next(line for line in lines if line.startswith("data: ")).removeprefix("data: "))
        assert (heard["aoi"], heard["who"]) == ("Samso", "eva")
    with hub.client(SERVICE, eva) as client:
        assert who(client, "Samso") == ["eva"]


def test_who_was_known_goes_on_when_the_hub_does_not_answer(hub: Hub, eva: str) -> None:
    headers = {"Authorization": f"token {eva}"}
    httpx.get(f"{hub.service}aoi/", headers=headers, trust_env=False).raise_for_status()
    hub.process.send_signal(signal.SIGSTOP)
    try:
        httpx.get(f"{hub.service}aoi/", headers=headers, trust_env=False).raise_for_status()
    finally:
        hub.process.send_signal(signal.SIGCONT)


def test_no_token_is_in_the_logs(hub: Hub, eva: str) -> None:
    told = hub.log.read_text()
    assert "requests_forwarded" in told
    assert not [token for token in (eva, WORKER_TOKEN) if token in told]

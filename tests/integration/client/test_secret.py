"""Tokens stay hidden, also in errors, and each is sent to its own server only."""

from __future__ import annotations

import copy
import json
import os
import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fake_server import Request, ScriptedServer, response
from tests.server_process import free_port
from workflow_monitor import Monitor
from workflow_monitor.client.errors import MonitorError, ServerNotFound
from workflow_monitor.connection.addresses import split_address
from workflow_monitor.connection.environment import Environment
from workflow_monitor.connection.secret import HIDDEN, Secret

TOKEN = "s3cr3t-t0k3n"
HUB = {
    "JUPYTERHUB_SERVICE_PREFIX": "/user/eva/",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/eva/",
    "JUPYTERHUB_API_TOKEN": "of-the-hub",
}


def test_only_reveal_returns_the_token() -> None:
    secret = Secret(f" {TOKEN}\n")
    assert secret.reveal() == TOKEN
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", str({"token": secret})]
    assert TOKEN not in "".join(shown)
    assert all(HIDDEN in one for one in shown)


def test_hide_masks_the_token_in_text() -> None:
    assert Secret(TOKEN).hide(f"Bearer {TOKEN} and {TOKEN}") == f"Bearer {HIDDEN} and {HIDDEN}"
    assert Secret("").hide("as it was") == "as it was"
    assert not Secret("  ")


def test_objects_with_a_token_cannot_be_pickled_or_copied(m: Monitor) -> None:
    for value in (Secret(TOKEN), m, m["DenmarkS1"], m.scene(1)):
        for copier in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                copier(value)


@pytest.mark.parametrize(
    ("pasted", "url", "token"),
    [
        ("http://h:8888/lab?token=abc", "http://h:8888/", "abc"),
        ("http://h:8888/user/eva/lab/tree/a.ipynb?token=abc#x", "http://h:8888/user/eva/", "abc"),
        ("https://h/user/lab/lab/tree/user/lab", "https://h/user/lab/", None),
        ("  h:8080  ", "http://h:8080/", None),
        ("http://[::1]:8888/tree", "http://[::1]:8888/", None),
        ("http://h/?other=1", "http://h/", None),
    ],
)
def test_split_address_extracts_the_token(pasted: str, url: str, token: str | None) -> None:
    base, secret = split_address(pasted)
    assert base == url
    assert (secret.reveal() if secret else None) == token


@pytest.mark.parametrize("pasted", [f"http://eva:{TOKEN}@h/", f"ftp://h/?token={TOKEN}", f"http:///?token={TOKEN}"])
def test_the_error_for_an_invalid_address_hides_the_token(pasted: str) -> None:
    with pytest.raises(MonitorError) as caught:
        split_address(pasted)
    assert TOKEN not in str(caught.value)


# ---- errors of discovery


def verbose_traceback(error: BaseException) -> str:
    """Return a traceback with the local variables of the package's frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    report.stack = traceback.StackSummary.from_list(
        [frame for frame in report.stack if "/workflow_monitor/" in frame.filename]
    )
    text = "".join(report.format())
    assert "environment = " in text, "the traceback has no local variables"
    return text


@pytest.mark.parametrize("where", ["the variable", "the address", "the hub", "a file"])
def test_discovery_errors_hide_the_token(where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    url = f"http://127.0.0.1:{free_port()}/"
    server = {"pid": os.getpid(), "url": url, "token": TOKEN}
    variables = {
        "the variable": {"WORKFLOW_MONITOR_URL": url, "WORKFLOW_MONITOR_TOKEN": TOKEN},
        "the address": {"WORKFLOW_MONITOR_URL": f"{url}lab?token={TOKEN}"},
        "the hub": {**HUB, "JUPYTERHUB_SERVICE_URL": url, "JUPYTERHUB_API_TOKEN": TOKEN},
        "a file": {},
    }
    for name, value in variables[where].items():
        monkeypatch.setenv(name, value)
    if where == "a file":
        (tmp_path / f"jpserver-{os.getpid()}.json").write_text(json.dumps(server))
    with pytest.raises(ServerNotFound, match=url) as caught:
        Monitor(retries=0)
    assert TOKEN not in verbose_traceback(caught.value)


# ---- choice of the token


def token_for(url: str, environment: Mapping[str, str], runtime: Path = Path("/nowhere")) -> str | None:
    secret = Environment(environment, runtime).token_for(url)
    return secret.reveal() if secret else None


def test_a_token_without_a_url_applies_to_an_explicit_address() -> None:
    assert token_for("https://host.example.org/", {"WORKFLOW_MONITOR_TOKEN": "configured"}) == "configured"


@pytest.mark.parametrize("announced", ["http://h:8888/", "http://h:8888/user/eva/lab", "h:8888"])
def test_a_token_with_a_url_applies_only_to_that_server(announced: str) -> None:
    variables = {"WORKFLOW_MONITOR_URL": announced, "WORKFLOW_MONITOR_TOKEN": "configured"}
    assert token_for("http://h:8888/user/eva/", variables) == "configured"
    for other in ("http://h:8889/", "https://h:8888/", "http://h.example.org:8888/"):
        assert token_for(other, variables) is None


def test_a_running_server_uses_the_token_of_its_runtime_file(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8888/user/eva/"
    file = tmp_path / f"jpserver-{os.getpid()}.json"
    file.write_text(json.dumps({"pid": os.getpid(), "url": url, "token": "own"}))
    variables = {"WORKFLOW_MONITOR_TOKEN": "configured"}
    assert token_for(url, variables, tmp_path) == "own"
    assert token_for(f"{url}workflow-monitor/", variables, tmp_path) == "own"
    # Explicit URL and token variables belong together.
    assert token_for(url, {**variables, "WORKFLOW_MONITOR_URL": url}, tmp_path) == "configured"
    assert token_for(url, {**variables, "WORKFLOW_MONITOR_URL": "http://127.0.0.1:9999/"}, tmp_path) == "own"
    for other in ("http://127.0.0.1:8889/user/eva/", "http://127.0.0.1:8888/user/evan/", "https://127.0.0.1:8888/"):
        assert token_for(other, {}, tmp_path) is None


def test_a_hub_token_applies_only_to_the_server_of_its_user() -> None:
    assert token_for("http://127.0.0.1:8888/user/eva/", HUB) == "of-the-hub"
    for other in ("http://127.0.0.1:9999/user/eva/", "http://127.0.0.1:8888/user/evan/", "http://h/user/eva/"):
        assert token_for(other, HUB) is None
        assert token_for(other, {**HUB, "JUPYTERHUB_SERVICE_PREFIX": "/user/eva"}) is None


def test_a_redirect_to_another_server_drops_the_token() -> None:
    with ScriptedServer(lambda _: "") as other:

        def elsewhere(request: Request) -> bytes | str:
            return response("", 302, "", Location=f"{other.url}redirected") if "/aoi/" in request.path else ""

        with ScriptedServer(elsewhere) as first, Monitor(first.url, token=TOKEN, retries=0) as m:
            with pytest.raises(MonitorError):
                m["DenmarkS1"]
            assert first.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
        assert [request.path for request in other.requests] == ["/redirected"]
        assert TOKEN not in str(other.requests)


ECHO_TOKEN = 'a"b\\c/d+e&f<g'
ESCAPED = "".join(f"\\u{ord(character):04x}" for character in ECHO_TOKEN)
ECHOES = {
    "problem": response(json.dumps({"detail": f"refused: {ECHO_TOKEN}", "code": "x"}), 400),
    "fields": response(json.dumps({"detail": "no", "errors": [{"field": ECHO_TOKEN, "message": ECHO_TOKEN}]}), 400),
    "escaped": response(f'{{"detail": "refused: {ESCAPED}"}}', 500),
    "code": response(json.dumps({"detail": "no", "code": ECHO_TOKEN}), 409),
    "text": response(f"Authorization: Bearer {ECHO_TOKEN}", 500, "text/plain"),
    "cut": response("x" * 295 + ECHO_TOKEN, 500, "text/plain"),
    "query": response("/aoi/?token=a%22b%5Cc%2Fd%2Be%26f%3Cg", 404, "text/plain"),
    "page": response(f"<html>{ECHO_TOKEN} a&quot;b\\c/d+e&amp;f&lt;g</html>", 403, "text/html"),
    "denied": response(json.dumps({"detail": ECHO_TOKEN}), 403),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_token_that_a_server_echoes_is_hidden(echo: str) -> None:
    def script(request: Request) -> bytes | str:
        return "" if request.path in {"/workflow-monitor/", "/workflow-monitor/openapi.json"} else ECHOES[echo]

    with ScriptedServer(script) as server:
        monitor = Monitor(server.url, token=ECHO_TOKEN, retries=0)
        for call in (lambda: monitor.create("Fyn"), monitor.aois, lambda: list(monitor["Fyn"].scenes().index)):
            with pytest.raises(MonitorError) as caught:
                call()
            shown = f"{caught.value} {vars(caught.value)} {caught.value.args}"
            for form in (ECHO_TOKEN, repr(ECHO_TOKEN)[1:-1], "a%22b", "a&quot;b", 'a"b'):
                assert form not in shown


@pytest.mark.parametrize("echo", ECHOES)
def test_a_token_that_a_server_echoes_during_discovery_is_hidden(echo: str) -> None:
    with ScriptedServer(lambda _: ECHOES[echo]) as server, pytest.raises(MonitorError) as caught:
        Monitor(server.url, token=ECHO_TOKEN, retries=0)
    assert 'a"b' not in f"{caught.value}"

"""Secrecy of tokens: logs, representations, errors, responses, events and files contain none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.paths import ROOT
from tests.server_process import TOKEN, LiveServer, live_server

#: The tokens of Jupyter and of workers, and an invalid one.
WORKER = "secret-of-the-workers-0123456789"
WRONG = "secret-of-no-user-0123456789"
SECRETS = (TOKEN, WORKER, WRONG)

#: Prints representations, errors with the variables of their frames, and debug logs.
NOTEBOOK = """
import json, logging, sys, traceback

logging.basicConfig(level=logging.DEBUG)
from workflow_monitor import Monitor

url, dead, token, wrong = json.loads(sys.stdin.read())


def display(call):
    try:
        value = call()
        print(repr(value), str(value), getattr(value, "_repr_html_", lambda: "")())
    except Exception as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames = [frame for frame in lines.stack if "workflow_monitor" in frame.filename]
        lines.stack = traceback.StackSummary.from_list(frames)
        print("".join(lines.format()), repr(error), error.args)


m = Monitor(url, token=token)
scene = {"source_id": "s", "data": {"tiles": {"t": {}}}, "tiles": {"t": {"data": {}}}}
for call in (
    lambda: m, lambda: m.create("Fyn"), lambda: m.create("Fyn"), lambda: m["Fyn"], lambda: m["Nowhere"],
    lambda: m["Fyn"].add_scenes(scene), lambda: m["Fyn"].add_scenes(scene), lambda: m["Fyn"].add_scenes({"a": 1}),
    lambda: m["Fyn"].history(), lambda: m["Fyn"].scenes(), lambda: m.scene(1), lambda: m.scene(99),
    lambda: m["Fyn"].dashboard(), lambda: m["Fyn"].dashboard()._repr_mimebundle_(), lambda: vars(m),
    lambda: Monitor(f"{url}?token={token}")["Fyn"], lambda: Monitor(url, token=wrong)["Fyn"],
    lambda: Monitor(dead, token=token, retries=0)["Fyn"], lambda: Monitor(f"{dead}?token={token}", retries=0),
):
    display(call)
"""


def responses(server: LiveServer) -> list[str]:
    """Return the responses to requests with each token, in each place."""
    texts = []
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http:
        for token in SECRETS:
            for header in ({"Authorization": f"token {token}"}, {"Authorization": f"Bearer {token}"}, {}):
                headers = {**header, "Referer": f"{server.url}/docs?token={token}"}
                query = {} if header else {"token": token}
                for method, path in (
                    ("GET", "/aoi/"),
                    ("GET", "/aoi/Nowhere"),
                    ("POST", "/aoi/F%3Fn"),
                    ("GET", "/nothing/here"),
                    ("PUT", "/scene/7/retry"),
                    ("POST", "/jobs/downloader/lease"),
                    ("GET", "/openapi.json"),
                    ("GET", "/aoi/*/history"),
                ):
                    response = http.request(method, path, headers=headers, params=query)
                    texts.append(response.text + str(response.headers))
    return texts


def run(server: LiveServer, folder: Path, *command: str, stdin: str = "", **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JPY_", "JUPYTER"))}
    settings = {
        "JUPYTER_RUNTIME_DIR": str(folder / "none"),
        "PYTHONPATH": str(ROOT),
        "WORKFLOW_MONITOR_URL": server.base_url,
    }
    process = subprocess.run(
        [sys.executable, *command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment | settings | variables,
    )
    return process.stdout + process.stderr


def test_no_output_contains_a_token(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    with (
        live_server(shared, variables={"WORKFLOW_MONITOR_WORKER_TOKEN": WORKER}, arguments=["--debug"]) as first,
        live_server(
            own,
            variables={"WORKFLOW_MONITOR_UPSTREAM": first.base_url, "WORKFLOW_MONITOR_UPSTREAM_TOKEN": first.token},
            arguments=["--debug"],
            store_url="",
        ) as second,
    ):
        outputs = []
        for server in (first, second):
            stdin = json.dumps([server.base_url, "http://127.0.0.1:9/", TOKEN, WRONG])
            output = run(server, tmp_path, "-c", NOTEBOOK, stdin=stdin)
            assert "AccessDenied" in output
            assert "ServerUnreachable" in output or "ServerNotFound" in output
            assert "DEBUG:httpcore" in output
            outputs += [output, *responses(server)]
            cli = ("-m", "workflow_monitor.cli")
            for token in (TOKEN, WRONG, WORKER):
                outputs.append(run(server, tmp_path, *cli, "aois", WORKFLOW_MONITOR_TOKEN=token))
            outputs.append(run(server, tmp_path, *cli, "status", "Nowhere", WORKFLOW_MONITOR_TOKEN=TOKEN))
        # The second server loses its upstream.
        first.process.kill()
        outputs += responses(second)
    logs = [server.log.read_text() for server in (first, second)]
    assert all("403 " in log for log in logs)
    for text in (*outputs, *logs):
        exposed = [secret for secret in SECRETS if secret in text]
        assert not exposed, text[max(0, text.index(exposed[0]) - 300) :][:600]
    for file in shared.rglob("workflow.duckdb*"):
        assert not [secret for secret in SECRETS if secret.encode() in file.read_bytes()], file


def test_a_failure_inside_the_server_logs_no_token(tmp_path: Path) -> None:
    arguments = ("--ServerApp.authorizer_class=tests.failing_authorizer.FailingAuthorizer",)
    variables = {"PYTHONPATH": str(ROOT)}
    with (
        live_server(tmp_path, arguments=arguments, variables=variables) as server,
        httpx.Client(base_url=server.base_url, timeout=60, trust_env=False) as http,
    ):
        for _ in range(30):
            for path in ("workflow-monitor/aoi/", "api/contents", "api/status"):
                assert http.get(path, params={"fail": 1, "token": TOKEN}).status_code == 500
    log = server.log.read_text()
    assert "no decision for /workflow-monitor/aoi/?fail=1&token=•••" in log
    assert "no decision for /api/contents?fail=1&token=•••" in log or "traceback of RuntimeError as within" in log
    assert TOKEN not in log
    assert log.count("Traceback (most recent call last)") < 10

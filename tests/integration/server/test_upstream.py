"""A server with an upstream: forwarded requests, credentials, invalid responses and configuration."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from traitlets.config import Config

from tests.integration.server.conftest import PREFIX, Fetch
from tests.server_process import TOKEN, live_server
from workflow_monitor.client import Monitor
from workflow_monitor.client.errors import AccessDenied
from workflow_monitor.connection.environment import Environment
from workflow_monitor.server.extension import UPSTREAM_TOKEN_VARIABLE, UPSTREAM_VARIABLE, WorkflowMonitor
from workflow_monitor.server.upstream import from_address

#: HTTP headers carry bytes.
ASE = "Åse 北".encode().decode("latin-1")
SECRET = "s3cret-of-the-shared-server"


#: the token in escapes of JSON
ESCAPED = "".join(f"\\u{ord(character):04x}" for character in SECRET)


@dataclass
class Upstream:
    """Server that returns a prepared response and records the heads of requests."""

    response: bytes = b""
    requests: list[str] = field(default_factory=list)
    port: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.requests.append(head)
        writer.write(self.response)
        await writer.drain()
        writer.close()

    def headers(self) -> dict[str, str]:
        lines = self.requests[-1].strip().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def respond_with(self, status: int, body: str = "", media_type: str = "application/json", **headers: str) -> None:
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        content = f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n" if media_type else ""
        self.response = f"HTTP/1.1 {status} X\r\n{extra}{content}Connection: close\r\n\r\n{body}".encode()


@pytest.fixture
def upstream(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Any:
    upstream = Upstream()
    server = jp_asyncio_loop.run_until_complete(asyncio.start_server(upstream, "127.0.0.1", 0))
    upstream.port = server.sockets[0].getsockname()[1]
    yield upstream
    server.close()
    jp_asyncio_loop.run_until_complete(server.wait_closed())


@pytest.fixture
def traits(upstream: Upstream) -> dict[str, Any]:
    return {"upstream": f"http://127.0.0.1:{upstream.port}/user/eva/", "upstream_token": SECRET}


async def test_requests_are_forwarded_with_the_token_and_the_actor(
    fetch: Fetch, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.respond_with(200, "[]")
    path = "/aoi/a%2Fb/scenes/retry?to%6ben=x&page=1&token&q=%26%C3%A9"
    headers = {"Cookie": "a=b", "X-XSRFToken": "x", "Accept": "text/x", "X-Workflow-Monitor-Actor": ASE}
    response = await fetch("GET", path, headers={**headers, "X-Forwarded-For": "8.8.8.8"})
    assert (response.status, response.text) == (200, "[]")
    assert upstream.requests[-1].split(" ")[:2] == [
        "GET",
        "/user/eva/workflow-monitor/aoi/a%2Fb/scenes/retry?page=1&q=%26%C3%A9",
    ]
    sent = upstream.headers()
    assert sent["authorization"] == f"token {SECRET}"
    assert sent["accept"] == "text/x"
    assert sent["x-workflow-monitor-actor"].encode("latin-1").decode() == "Åse 北"
    assert not {"cookie", "x-xsrftoken", "x-forwarded-for"} & set(sent)
    await fetch("GET", "/aoi/")
    assert upstream.headers()["x-workflow-monitor-actor"] == Environment().actor()


async def test_the_token_is_never_exposed(fetch: Fetch, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    responses = []
    for status, media_type in ((200, "application/json"), (403, "text/html"), (500, "text/html"), (302, "")):
        upstream.respond_with(status, "{}" if media_type else "", media_type)
        responses.append(await fetch("GET", "/aoi/"))
    upstream.response = b"nonsense\r\n\r\n"
    responses.append(await fetch("PUT", "/scene/1/retry"))
    assert SECRET in upstream.requests[-1]
    assert SECRET not in caplog.text
    assert not [response for response in responses if SECRET in response.text + str(dict(response.headers))]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (json.dumps({"detail": f"refused: {SECRET}", "code": "x"}), "application/problem+json"),
        ('{"detail": "' + ESCAPED + '"}', "application/problem+json"),
        (f"[{SECRET}", "application/problem+json"),
        (f"Authorization: token {SECRET}", "text/plain"),
        (json.dumps([SECRET]), "application/json"),
    ],
)
async def test_a_token_that_the_upstream_echoes_is_hidden(
    fetch: Fetch, upstream: Upstream, body: str, media_type: str
) -> None:
    upstream.respond_with(400, body, media_type)
    response = await fetch("GET", "/aoi/")
    assert response.status == 400
    assert SECRET not in response.text
    assert "•••" in response.text


@pytest.mark.parametrize(
    ("method", "reply", "expected"),
    [
        ("GET", (401, "{}", "application/json"), (403, "upstream-denied")),
        ("PUT", (403, "{}", "application/json"), (403, "upstream-denied")),
        ("GET", (302, "", ""), (503, "upstream-unknown")),
        ("GET", (200, "<script>alert(1)</script>", "text/html; charset=utf-8"), (503, "upstream-unknown")),
        ("GET", (404, "<p>", "text/html"), (503, "upstream-unknown")),
        ("GET", (502, "<p>", "text/html"), (503, "upstream-unreachable")),
        ("PUT", (502, "<p>", "text/html"), (502, "upstream-lost")),
        ("PUT", (503, "<p>", "text/html"), (503, "upstream-unreachable")),
    ],
)
async def test_responses_of_other_servers_become_problems(
    fetch: Fetch, upstream: Upstream, method: str, reply: tuple[int, str, str], expected: tuple[int, str]
) -> None:
    status, body, media_type = reply
    upstream.respond_with(status, body, media_type, Location="http://elsewhere/login")
    path = "/aoi/" if method == "GET" else "/scene/1/retry"
    response = await fetch(method, path)
    assert response.problem(expected[0])["code"] == expected[1]
    assert "Location" not in response.headers


async def test_incomplete_responses_become_problems(fetch: Fetch, upstream: Upstream) -> None:
    upstream.response = b""
    assert (await fetch("GET", "/aoi/")).problem(503)["code"] == "upstream-unreachable"
    assert (await fetch("PUT", "/scene/1/retry")).problem(502)["code"] == "upstream-lost"
    upstream.response = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1"
    assert (await fetch("GET", "/aoi/")).problem(502)["code"] == "upstream-lost"


async def test_a_problem_links_to_the_docs_of_this_server(fetch: Fetch, upstream: Upstream) -> None:
    document = {
        "type": "/elsewhere#aoi-not-upstream",
        "title": "t",
        "status": 404,
        "detail": "d",
        "code": "aoi-not-upstream",
    }
    upstream.respond_with(404, json.dumps(document), "application/problem+json", Retry_After="7", Set_Cookie="a=b")
    response = await fetch("GET", "/aoi/Fyn")
    assert response.problem(404) == {**document, "type": f"{PREFIX}/docs#aoi-not-upstream"}
    assert response.headers["Retry-After"] == "7"
    assert "a=b" not in response.headers.get("Set-Cookie", "")
    for body in ("[", "[]", '"x"'):
        upstream.respond_with(500, body, "application/problem+json")
        assert (await fetch("GET", "/aoi/Fyn")).text == body


async def test_a_loop_is_detected(fetch: Fetch, upstream: Upstream) -> None:
    upstream.respond_with(200, "[]")
    await fetch("GET", "/aoi/", headers={"Via": "1.1 gateway"})
    via = upstream.headers()["via"]
    assert via.startswith("1.1 gateway, 1.1 workflow-monitor-")
    assert (await fetch("GET", "/aoi/", headers={"Via": via})).problem(508)["code"] == "upstream-loop"
    assert len(upstream.requests) == 1


async def test_each_server_serves_its_own_docs(fetch: Fetch, upstream: Upstream) -> None:
    assert (await fetch("GET", "/docs")).status == 200
    assert (await fetch("GET", "/openapi.json")).status == 200
    assert upstream.requests == []


class TestUnreachableUpstream:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"upstream": "http://127.0.0.1:9/", "upstream_token": SECRET}

    async def test_requests_fail_and_no_store_is_created(self, fetch: Fetch, store_path: Path) -> None:
        for method, path in (("GET", "/"), ("POST", "/aoi/Fyn")):
            response = await fetch(method, path)
            problem = response.problem(503)
            assert problem["code"] == "upstream-unreachable"
            assert "http://127.0.0.1:9/workflow-monitor" in problem["detail"]
            assert response.headers["Retry-After"]
        assert not store_path.exists()


class ReadOnly(Authorizer):
    """Allows every user to read and no user to write."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action == "read"


class TestAuthorization:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.authorizer_class = ReadOnly
        return jp_server_config

    async def test_requests_are_authorized_before_they_are_forwarded(self, fetch: Fetch, upstream: Upstream) -> None:
        upstream.respond_with(200, "[]")
        assert (await fetch("GET", "/aoi/")).status == 200
        for method, path in (("PUT", "/scene/1/retry"), ("POST", "/results"), ("DELETE", "/aoi/Fyn"), ("PUT", "/new")):
            assert (await fetch(method, path)).problem(403)["code"] == "not-allowed"
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("address", ["ftp://x/", "http://a:b@host/", "http:///x"])
class TestInvalidAddress:
    @pytest.fixture
    def traits(self, address: str) -> dict[str, Any]:
        return {"upstream": address}

    async def test_the_problem_names_the_trait(self, fetch: Fetch, store_path: Path) -> None:
        assert "(upstream)" in (await fetch("GET", "/aoi/")).problem(503)["detail"]
        assert not store_path.exists()


# ---- configuration


@pytest.mark.parametrize(
    ("traits", "variables", "expected"),
    [
        ({}, {}, None),
        ({"upstream": "http://a/"}, {"URL": "http://b/"}, "http://a/workflow-monitor"),
        ({}, {"URL": "http://b/user/eva/lab?token=x"}, "http://b/user/eva/workflow-monitor"),
        ({"store_url": "duckdb:///:memory:"}, {"URL": "http://b/"}, None),
        ({"store_url": "duckdb:///:memory:", "upstream": "http://a/"}, {}, "http://a/workflow-monitor"),
        ({}, {"URL": "http://b/services/workflow-monitor"}, "http://b/services/workflow-monitor/workflow-monitor"),
        ({}, {"URL": "http://b/x/workflow-monitor/"}, "http://b/x/workflow-monitor"),
    ],
)
def test_the_trait_and_the_environment_set_the_upstream(
    traits: dict[str, str], variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UPSTREAM_VARIABLE, variables.get("URL", ""))
    monkeypatch.setenv(UPSTREAM_TOKEN_VARIABLE, SECRET)
    configured = WorkflowMonitor(**traits)._upstream()
    assert (configured and configured.url) == expected
    assert UPSTREAM_VARIABLE not in os.environ, "kernels would inherit it"
    assert UPSTREAM_TOKEN_VARIABLE not in os.environ, "kernels would inherit it"


HUB = {"JUPYTERHUB_API_TOKEN": "of-the-hub", "JUPYTERHUB_BASE_URL": "/hubs/1/", "JUPYTERHUB_USER": "eva"}


@pytest.mark.parametrize(
    ("address", "token", "environment", "expected"),
    [
        ("http://h/?token=inside", "configured", {}, "token configured"),
        ("http://h/?token=inside", "", HUB, "token inside"),
        ("http://h/hubs/1/services/ingestion/", "", HUB, "token of-the-hub"),
        ("http://h/hubs/1/services/ingestion/", "configured", HUB, "token configured"),
        ("http://h/services/ingestion/", "", HUB, None),
        ("http://h/user/bob/", "", HUB, None),
        ("http://h/hubs/1/services/ingestion/", "", {}, None),
    ],
)
def test_the_token_depends_on_the_address(
    address: str, token: str, environment: Mapping[str, str], expected: str | None, tmp_path: Path
) -> None:
    upstream = from_address(address, token, Environment(environment, runtime=tmp_path))
    assert upstream._client.headers.get("Authorization") == expected
    assert "token" not in repr(upstream)
    if environment:
        assert upstream.stands_for == "eva"


def test_the_token_of_a_local_server_is_read_from_its_runtime_file(tmp_path: Path) -> None:
    runtime_info = {"pid": os.getpid(), "url": "http://localhost:8888/a/", "token": "own"}
    (tmp_path / "jpserver-1.json").write_text(json.dumps(runtime_info))
    upstream = from_address("http://127.0.0.1:8888/a/", "", Environment({}, runtime=tmp_path))
    assert upstream._client.headers["Authorization"] == "token own"


# ---- two real servers


def test_a_server_forwards_to_a_shared_server(tmp_path: Path) -> None:
    with live_server(tmp_path / "shared", "/services/ingestion/") as shared:
        traits: dict[str, Any] = {"upstream": f"{shared.base_url}?token={TOKEN}", "store_url": ""}
        with live_server(tmp_path / "own", "/user/eva/", **traits) as own:
            assert not (tmp_path / "own" / "data" / "workflow_monitor").exists()
            with Monitor(own.base_url, token=TOKEN, actor="Åse") as m:
                m.create("Fyn")
                assert list(m) == ["Fyn"]
            with Monitor(shared.base_url, token=TOKEN) as m:
                assert [(event["who"], event["cause"]) for event in m["Fyn"].history().to_dict("records")] == [
                    ("Åse", "create")
                ]
        wrong: dict[str, Any] = {"upstream": shared.base_url, "upstream_token": "wrong", "store_url": ""}
        with (
            live_server(tmp_path / "wrong", ready="docs", **wrong) as refused,
            pytest.raises(AccessDenied) as error,
            Monitor(refused.base_url, token=TOKEN) as m,
        ):
            m.aois()
    assert "upstream_token" in str(error.value)
    assert "Monitor(url, token=…)" not in str(error.value)

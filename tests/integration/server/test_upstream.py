"""A server that is told to use another one: what it asks there, as whom, and what it makes of odd answers."""

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

#: headers are bytes
ASE = "Åse 北".encode().decode("latin-1")
SECRET = "s3cret-of-the-shared-server"


@dataclass
class Other:
    """What is at the other end: it answers as it is told, and remembers what it was asked."""

    answer: bytes = b""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.asked.append(head)
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    def headers(self) -> dict[str, str]:
        lines = self.asked[-1].strip().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def will_answer(self, status: int, body: str = "", media_type: str = "application/json", **headers: str) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        content = f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n" if media_type else ""
        self.answer = f"HTTP/1.1 {status} X\r\n{more}{content}Connection: close\r\n\r\n{body}".encode()


@pytest.fixture
def other(jp_asyncio_loop: asyncio.AbstractEventLoop) -> Any:
    told = Other()
    server = jp_asyncio_loop.run_until_complete(asyncio.start_server(told, "127.0.0.1", 0))
    told.port = server.sockets[0].getsockname()[1]
    yield told
    server.close()
    jp_asyncio_loop.run_until_complete(server.wait_closed())


@pytest.fixture
def traits(other: Other) -> dict[str, Any]:
    return {"upstream": f"http://127.0.0.1:{other.port}/user/eva/", "upstream_token": SECRET}


async def test_what_is_asked_and_as_whom(fetch: Fetch, other: Other, caplog: pytest.LogCaptureFixture) -> None:
    other.will_answer(200, "[]")
    path = "/aoi/a%2Fb/scenes/retry?to%6ben=x&page=1&token&q=%26%C3%A9"
    headers = {"Cookie": "a=b", "X-XSRFToken": "x", "Accept": "text/x", "X-Workflow-Monitor-Actor": ASE}
    answer = await fetch("GET", path, headers={**headers, "X-Forwarded-For": "8.8.8.8"})
    assert (answer.status, answer.text) == (200, "[]")
    assert other.asked[-1].split(" ")[:2] == [
        "GET",
        "/user/eva/workflow-monitor/aoi/a%2Fb/scenes/retry?page=1&q=%26%C3%A9",
    ]
    sent = other.headers()
    assert sent["authorization"] == f"token {SECRET}"
    assert sent["accept"] == "text/x"
    assert sent["x-workflow-monitor-actor"].encode("latin-1").decode() == "Åse 北"
    assert not {"cookie", "x-xsrftoken", "x-forwarded-for"} & set(sent)
    await fetch("GET", "/aoi/")
    assert other.headers()["x-workflow-monitor-actor"] == Environment().actor()


async def test_the_token_is_never_shown(fetch: Fetch, other: Other, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    shown = []
    for status, media_type in ((200, "application/json"), (403, "text/html"), (500, "text/html"), (302, "")):
        other.will_answer(status, "{}" if media_type else "", media_type)
        shown.append(await fetch("GET", "/aoi/"))
    other.answer = b"nonsense\r\n\r\n"
    shown.append(await fetch("PUT", "/scene/1/retry"))
    assert SECRET in other.asked[-1]
    assert SECRET not in caplog.text
    assert not [answer for answer in shown if SECRET in answer.text + str(dict(answer.headers))]


@pytest.mark.parametrize(
    ("method", "answer", "expected"),
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
async def test_answers_that_are_no_workflow_servers(
    fetch: Fetch, other: Other, method: str, answer: tuple[int, str, str], expected: tuple[int, str]
) -> None:
    status, body, media_type = answer
    other.will_answer(status, body, media_type, Location="http://elsewhere/login")
    path = "/aoi/" if method == "GET" else "/scene/1/retry"
    got = await fetch(method, path)
    assert got.problem(expected[0])["code"] == expected[1]
    assert "Location" not in got.headers


async def test_answers_that_break_off(fetch: Fetch, other: Other) -> None:
    other.answer = b""
    assert (await fetch("GET", "/aoi/")).problem(503)["code"] == "upstream-unreachable"
    assert (await fetch("PUT", "/scene/1/retry")).problem(502)["code"] == "upstream-lost"
    other.answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1"
    assert (await fetch("GET", "/aoi/")).problem(502)["code"] == "upstream-lost"


async def test_a_problem_is_told_with_where_it_is_explained_here(fetch: Fetch, other: Other) -> None:
    document = {"type": "/elsewhere#aoi-not-found", "title": "t", "status": 404, "detail": "d", "code": "aoi-not-found"}
    other.will_answer(404, json.dumps(document), "application/problem+json", Retry_After="7", Set_Cookie="a=b")
    answer = await fetch("GET", "/aoi/Fyn")
    assert answer.problem(404) == {**document, "type": f"{PREFIX}/docs#aoi-not-found"}
    assert answer.headers["Retry-After"] == "7"
    assert "a=b" not in answer.headers.get("Set-Cookie", "")
    for odd in ("[", "[]", '"x"'):
        other.will_answer(500, odd, "application/problem+json")
        assert (await fetch("GET", "/aoi/Fyn")).text == odd


async def test_a_circle_is_noticed(fetch: Fetch, other: Other) -> None:
    other.will_answer(200, "[]")
    await fetch("GET", "/aoi/", headers={"Via": "1.1 gateway"})
    via = other.headers()["via"]
    assert via.startswith("1.1 gateway, 1.1 workflow-monitor-")
    assert (await fetch("GET", "/aoi/", headers={"Via": via})).problem(508)["code"] == "upstream-loop"
    assert len(other.asked) == 1


async def test_the_docs_are_answered_here(fetch: Fetch, other: Other) -> None:
    assert (await fetch("GET", "/docs")).status == 200
    assert (await fetch("GET", "/openapi.json")).status == 200
    assert other.asked == []


class TestNoBody:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"upstream": "http://127.0.0.1:9/", "upstream_token": SECRET}

    async def test_is_told_and_nothing_is_kept_here(self, fetch: Fetch, store_path: Path) -> None:
        for method, path in (("GET", "/"), ("POST", "/aoi/Fyn")):
            answer = await fetch(method, path)
            problem = answer.problem(503)
            assert problem["code"] == "upstream-unreachable"
            assert "http://127.0.0.1:9/workflow-monitor" in problem["detail"]
            assert answer.headers["Retry-After"]
        assert not store_path.exists()


class Readers(Authorizer):
    """Lets everybody read, and nobody write."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action == "read"


class TestAuthorization:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.authorizer_class = Readers
        return jp_server_config

    async def test_is_checked_here(self, fetch: Fetch, other: Other) -> None:
        other.will_answer(200, "[]")
        assert (await fetch("GET", "/aoi/")).status == 200
        for method, path in (("PUT", "/scene/1/retry"), ("POST", "/results"), ("DELETE", "/aoi/Fyn"), ("PUT", "/new")):
            assert (await fetch(method, path)).problem(403)["code"] == "not-allowed"
        assert len(other.asked) == 1


@pytest.mark.parametrize("upstream", ["ftp://x/", "http://a:b@host/", "http:///x"])
class TestAnAddressThatIsNone:
    @pytest.fixture
    def traits(self, upstream: str) -> dict[str, Any]:
        return {"upstream": upstream}

    async def test_is_told(self, fetch: Fetch, store_path: Path) -> None:
        assert "(upstream)" in (await fetch("GET", "/aoi/")).problem(503)["detail"]
        assert not store_path.exists()


# ---- what is chosen


@pytest.mark.parametrize(
    ("traits", "told", "expected"),
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
def test_who_answers(
    traits: dict[str, str], told: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UPSTREAM_VARIABLE, told.get("URL", ""))
    monkeypatch.setenv(UPSTREAM_TOKEN_VARIABLE, SECRET)
    found = WorkflowMonitor(**traits)._upstream()
    assert (found and found.url) == expected
    assert UPSTREAM_VARIABLE not in os.environ, "kernels would inherit it"
    assert UPSTREAM_TOKEN_VARIABLE not in os.environ, "kernels would inherit it"


HUB = {"JUPYTERHUB_API_TOKEN": "of-the-hub", "JUPYTERHUB_BASE_URL": "/hubs/1/", "JUPYTERHUB_USER": "eva"}


@pytest.mark.parametrize(
    ("address", "token", "environment", "expected"),
    [
        ("http://h/?token=inside", "told", {}, "token told"),
        ("http://h/?token=inside", "", HUB, "token inside"),
        ("http://h/hubs/1/services/ingestion/", "", HUB, "token of-the-hub"),
        ("http://h/hubs/1/services/ingestion/", "told", HUB, "token told"),
        ("http://h/services/ingestion/", "", HUB, None),
        ("http://h/user/bob/", "", HUB, None),
        ("http://h/hubs/1/services/ingestion/", "", {}, None),
    ],
)
def test_which_token_is_used(
    address: str, token: str, environment: Mapping[str, str], expected: str | None, tmp_path: Path
) -> None:
    found = from_address(address, token, Environment(environment, runtime=tmp_path))
    assert found._client.headers.get("Authorization") == expected
    assert "token" not in repr(found)
    if environment:
        assert found.stands_for == "eva"


def test_the_token_of_the_users_own_server_is_found(tmp_path: Path) -> None:
    told = {"pid": os.getpid(), "url": "http://localhost:8888/a/", "token": "own"}
    (tmp_path / "jpserver-1.json").write_text(json.dumps(told))
    found = from_address("http://127.0.0.1:8888/a/", "", Environment({}, runtime=tmp_path))
    assert found._client.headers["Authorization"] == "token own"


# ---- two real servers


def test_a_shared_server_and_one_that_uses_it(tmp_path: Path) -> None:
    with live_server(tmp_path / "shared", "/services/ingestion/") as common:
        traits: dict[str, Any] = {"upstream": f"{common.base_url}?token={TOKEN}", "store_url": ""}
        with live_server(tmp_path / "own", "/user/eva/", **traits) as own:
            assert not (tmp_path / "own" / "data" / "workflow_monitor").exists()
            with Monitor(own.base_url, token=TOKEN, actor="Åse") as m:
                m.create("Fyn")
                assert list(m) == ["Fyn"]
            with Monitor(common.base_url, token=TOKEN) as m:
                assert [(event["who"], event["cause"]) for event in m["Fyn"].history().to_dict("records")] == [
                    ("Åse", "create")
                ]
        wrong: dict[str, Any] = {"upstream": common.base_url, "upstream_token": "wrong", "store_url": ""}
        with (
            live_server(tmp_path / "wrong", ready="docs", **wrong) as refused,
            pytest.raises(AccessDenied) as error,
            Monitor(refused.base_url, token=TOKEN) as m,
        ):
            m.aois()
    assert "upstream_token" in str(error.value)
    assert "Monitor(url, token=…)" not in str(error.value)

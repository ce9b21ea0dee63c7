"""Every endpoint and verb, from the list of routes: nobody gets in without a token, and errors have one shape."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from traitlets.config import Config

from tests.server.conftest import Fetch
from workflow_monitor.server.handlers.base import Handler, reads, writes
from workflow_monitor.server.routes import ROUTES

FILLED = {"aoi": "Fyn", "id": "1", "status": "DONE", "queue": "processor", "lease": "none"}
ENDPOINTS = [(verb.upper(), route.path.format(**FILLED)) for route in ROUTES for verb in route.operations]
STREAMS = {("GET", "/events"), ("GET", "/aoi/Fyn/events")}


class Recorder(Authorizer):
    """Lets everybody read and nobody write, and remembers what was asked."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 - shared with the test on purpose

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action == "read"


async def test_nobody_gets_in_without_a_token(fetch: Fetch) -> None:
    for method, path in ENDPOINTS:
        for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": "Bearer wrong"}):
            answer = await fetch(method, path, headers=headers, authorized=False)
            assert answer.problem(403)["code"] == "not-allowed", (method, path)


async def test_both_spellings_of_a_token_work(fetch: Fetch, jp_auth_header: dict[str, str]) -> None:
    token = jp_auth_header["Authorization"].split()[1]
    for scheme in ("token", "Bearer"):
        answer = await fetch("GET", "/aoi/", headers={"Authorization": f"{scheme} {token}"}, authorized=False)
        assert answer.status == 200


class TestAuthorization:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.ServerApp.authorizer_class = Recorder
        Recorder.asked.clear()
        return jp_server_config

    async def test_who_may_only_read_can_not_write(self, fetch: Fetch) -> None:
        for method, path in [*ENDPOINTS, *reversed(ENDPOINTS)]:
            if (method, path) in STREAMS:
                continue
            answer = await fetch(method, path)
            if method != "GET":
                assert answer.problem(403)["code"] == "not-allowed", (method, path)
            else:
                assert answer.status != 403, (method, path)
        assert set(Recorder.asked) == {("read", "workflow_monitor"), ("write", "workflow_monitor")}


async def test_other_methods_are_405_with_those_that_are_allowed(fetch: Fetch) -> None:
    for route in ROUTES:
        path = route.path.format(**FILLED)
        known = {verb.upper() for verb in route.operations}
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE"} - known:
            if route.path == "/openapi.json" or (method, path) in STREAMS:
                continue
            answer = await fetch(method, path)
            assert answer.status == 405, (method, path)
            assert set(answer.headers["Allow"].split(", ")) == known | {"OPTIONS"}
            if method != "HEAD":
                assert answer.problem(405)["code"] == "method-not-allowed"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/aoi/Fyn/", "/aoi/Fyn/nothing", "/scene", "/scene/1/", "/AOI/Fyn", "/aoi/Fyn/retry/now"]
)
async def test_other_paths_are_404(fetch: Fetch, method: str, path: str) -> None:
    assert (await fetch(method, path)).problem(404)["code"] == "path-not-found"
    assert (await fetch(method, path, authorized=False)).status == 403


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("//aoi/", "/aoi/"),
        ("/aoi//", "/aoi/"),
        ("/aoi//Fyn?limit=3", "/aoi/Fyn?limit=3"),
        ("/aoi/./Fyn", "/aoi/Fyn"),
        ("/aoi/..", "/"),
        ("/aoi/%2E%2e", "/"),
        ("/scene/../aoi/", "/aoi/"),
        ("/../../../etc", "/etc"),
        ("//evil.example/aoi", "/evil.example/aoi"),
    ],
)
async def test_odd_paths_lead_to_the_clean_ones(fetch: Fetch, path: str, clean: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await fetch(method, path)
        assert answer.status == 301
        assert answer.headers["Location"] == f"/a%40b/workflow-monitor{clean}"
        assert not answer.body


async def test_requests_that_a_strange_page_makes_a_browser_send_are_refused(fetch: Fetch) -> None:
    headers = {"Cookie": "_xsrf=1", "Origin": "http://evil.example"}
    assert (await fetch("POST", "/aoi/Fyn", headers=headers, authorized=False)).status in {403, 404}


async def test_a_browser_that_has_logged_in_may_write_with_the_xsrf_header(fetch: Fetch) -> None:
    login = await fetch("GET", "/aoi/")
    cookies = {"Cookie": f"{login.headers['Set-Cookie'].partition(';')[0]}; _xsrf=aabbccdd"}
    assert (await fetch("GET", "/aoi/", headers=cookies, authorized=False)).status == 200
    assert "_xsrf" in (await fetch("POST", "/aoi/Fyn", headers=cookies, authorized=False)).problem(403)["detail"]
    full = {**cookies, "X-XSRFToken": "aabbccdd"}
    strange = {**full, "Origin": "http://evil.example"}
    assert (await fetch("POST", "/aoi/Fyn", headers=strange, authorized=False)).problem(404)
    assert (await fetch("POST", "/aoi/Fyn", headers=full, authorized=False)).status == 204


def test_an_endpoint_cannot_leave_a_verb_open() -> None:
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("Open", (Handler,), {"get": _nothing})
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("ReadingPost", (Handler,), {"post": reads(_nothing)})
    same = writes(_nothing)
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("Shared", (Handler,), {"post": same, "put": same})


async def _nothing(self: object) -> None: ...


def test_patterns_match_one_segment_to_a_parameter() -> None:
    for route in ROUTES:
        path = route.path.format(**FILLED)
        assert re.fullmatch(route.pattern, path)
        if route.parameters:
            assert not re.fullmatch(
                route.pattern, path.replace("/Fyn", "/a/b").replace("/1", "/1/2") + "/more/more/more"
            )


def test_handlers_are_guarded_by_jupyter(jp_serverapp: Any) -> None:
    """Jupyter's own check of endpoints, which turns into a warning, finds none of ours open."""
    application: web.Application = jp_serverapp.web_app
    for route in ROUTES:
        assert application._check_handler_auth(route.pattern, route.handler) == []  # type: ignore[attr-defined]

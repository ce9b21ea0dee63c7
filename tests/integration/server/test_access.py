"""Who gets in where: every caller against every endpoint and verb of the list of routes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from traitlets import TraitError
from traitlets.config import Config

from tests.integration.server.conftest import PREFIX, Add, Answer, Fetch
from tests.paths import ROOT
from workflow_monitor.server.extension import WORKER_TOKEN_VARIABLE, WorkflowMonitor
from workflow_monitor.server.handlers.aois import AOI
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import allows_worker, requires_read, requires_write
from workflow_monitor.server.handlers.jobs import Jobs, LeaseJobsHandler
from workflow_monitor.server.handlers.meta import NotFound
from workflow_monitor.server.handlers.results import Results
from workflow_monitor.server.openapi import openapi
from workflow_monitor.server.routes import ROUTES
from workflow_monitor.server.worker_token import WorkerTokenAuth, allows_worker_token

TOKEN = "0123456789abcdef-of-the-server"
WORKER_TOKEN = "0123456789abcdef-of-workers"
STRANGE = {"Origin": "http://evil.example", "Referer": "http://evil.example/page"}
XSRF = {"X-XSRFToken": "aabbccdd"}
WORK = {
    ("POST", "/jobs/{queue}/lease"),
    ("PUT", "/jobs/{queue}/lease"),
    ("PUT", "/jobs/{queue}/lease/{lease}"),
    ("POST", "/results"),
}

REFUSALS = {"not-allowed", "not-for-workers", "path-not-found"}

#: what is there, and what is not: those who are refused ask for the first, those who get in for the second
THERE = {"aoi": "Fyn", "id": "1", "status": "DONE", "queue": "processor", "lease": "none"}
NOT_THERE = {"aoi": "No*where", "id": "999", "status": "DONE", "queue": "processor", "lease": "none"}


@dataclass(frozen=True)
class Endpoint:
    """A verb of a route; `action` is read, write or work."""

    verb: str
    template: str
    action: str

    def path(self, values: Mapping[str, str]) -> str:
        return self.template.format(**values)


def _action(route_handler: type[Handler], verb: str) -> str:
    method = getattr(route_handler, verb)
    return "work" if allows_worker_token(method) else str(method._guarded_for)


ENDPOINTS = [
    *(
        Endpoint(verb.upper(), route.path, _action(route.handler, verb))
        for route in ROUTES
        for verb in route.operations
    ),
    *(Endpoint(verb.upper(), "/no/such/endpoint", _action(NotFound, verb)) for verb in NotFound.verbs),
]


class Reading(Authorizer):
    """Lets everybody read and nobody write, and remembers what was asked."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 - shared with the test on purpose

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action == "read"


class Nothing(Authorizer):
    """Lets nobody do anything."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        return False


@dataclass(frozen=True)
class Caller:
    """Who asks: what comes with the request, and what becomes of reading, writing and working."""

    read: str
    write: str
    work: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    #: comes with the cookie of a browser that has logged in
    browser: bool = False
    authorizer: type[Authorizer] | None = None


def bearing(token: str, scheme: str = "token") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


#: as docs/explanation/promises/access.md has it
CALLERS = {
    "no token": Caller("403", "403", "403"),
    "a wrong token": Caller("403", "403", "403", bearing("0123456789abcdef-of-nobody")),
    "a wrong token, from a strange page": Caller("403", "404", "404", {**bearing("of-nobody-at-all"), **STRANGE}),
    "the token": Caller("in", "in", "in", bearing(TOKEN)),
    "the token as `Bearer`": Caller("in", "in", "in", bearing(TOKEN, "Bearer")),
    "the token in the address": Caller("in", "in", "in", query=f"token={TOKEN}"),
    "the token, to another host's name": Caller("403", "403", "403", {**bearing(TOKEN), "Host": "evil.example"}),
    "a browser's cookie": Caller("in", "403", "403", browser=True),
    "a browser's cookie, a wrong XSRF header": Caller("in", "403", "403", {"X-XSRFToken": "0000"}, browser=True),
    "a browser's cookie, its XSRF header": Caller("in", "in", "in", XSRF, browser=True),
    "the same, from a strange page": Caller("404", "404", "404", {**XSRF, **STRANGE}, browser=True),
    "a cookie that the server did not sign": Caller("403", "403", "403", {"Cookie": "username-127-0-0-1=eva", **XSRF}),
    "the token, where the Authorizer allows only to read": Caller(
        "in", "403", "403", bearing(TOKEN), authorizer=Reading
    ),
    "a browser, where the Authorizer allows only to read": Caller(
        "in", "403", "403", XSRF, browser=True, authorizer=Reading
    ),
    "the token, where the Authorizer allows nothing": Caller("403", "403", "403", bearing(TOKEN), authorizer=Nothing),
    "the token of workers": Caller("403", "403", "in", bearing(WORKER_TOKEN)),
    "the token of workers as `Bearer`": Caller("403", "403", "in", bearing(WORKER_TOKEN, "Bearer")),
    "the token of workers in the address": Caller("403", "403", "403", query=f"token={WORKER_TOKEN}"),
    "the token of workers, in a browser that has logged in": Caller(
        "403", "403", "in", {**bearing(WORKER_TOKEN), **XSRF}, browser=True
    ),
    "the token of workers, where the Authorizer allows nothing": Caller(
        "403", "403", "in", bearing(WORKER_TOKEN), authorizer=Nothing
    ),
    "the token of workers and one letter more": Caller("403", "403", "403", bearing(f"{WORKER_TOKEN}s")),
}


@pytest.fixture
def traits() -> dict[str, Any]:
    return {"worker_token": WORKER_TOKEN}


@pytest.fixture
def authorizer() -> type[Authorizer] | None:
    return None


@pytest.fixture
def jp_server_config(jp_server_config: Config, authorizer: type[Authorizer] | None) -> Config:
    jp_server_config.IdentityProvider.token = TOKEN
    if authorizer is not None:
        jp_server_config.ServerApp.authorizer_class = authorizer
    return jp_server_config


@pytest.fixture
def jp_auth_header() -> dict[str, str]:
    return bearing(TOKEN)


Ask = Callable[[Endpoint, Caller, Mapping[str, str]], Awaitable[Answer]]


@pytest.fixture
def ask(fetch: Fetch, jp_serverapp: Any) -> Ask:
    async def asking(endpoint: Endpoint, caller: Caller, values: Mapping[str, str]) -> Answer:
        # With a number that is none, a stream of events ends before it begins.
        headers = {"Last-Event-ID": "none", **caller.headers}
        if caller.browser:
            headers["Cookie"] = await _login(fetch, jp_serverapp)
        query = f"?{caller.query}" if caller.query else ""
        path = f"{endpoint.path(values)}{query}"
        return await fetch(endpoint.verb, path, headers=headers, authorized=False)

    return asking


async def _login(fetch: Fetch, jp_serverapp: Any) -> str:
    """The cookies of a browser that has logged in."""
    login = await fetch("GET", "/", headers=bearing(TOKEN))
    cookies = login.headers.get("Set-Cookie", "")
    return f"{cookies.partition(';')[0]}; _xsrf=aabbccdd"


class TestMatrix:
    @pytest.fixture(params=[None, Reading, Nothing], ids=["all", "reading", "nothing"])
    def authorizer(self, request: pytest.FixtureRequest) -> type[Authorizer] | None:
        chosen: type[Authorizer] | None = request.param
        return chosen

    async def test_each_gets_in_where_it_may_and_nowhere_else(
        self, authorizer: type[Authorizer] | None, ask: Ask
    ) -> None:
        callers = {name: caller for name, caller in CALLERS.items() if caller.authorizer is authorizer}
        assert callers
        for (name, caller), endpoint in product(callers.items(), ENDPOINTS):
            expected = getattr(caller, endpoint.action)
            answer = await ask(endpoint, caller, NOT_THERE if expected == "in" else THERE)
            if expected == "in":
                assert answer.status not in {401, 403, 405}, (name, endpoint, answer.text)
                assert answer.status < 500, (name, endpoint, answer.text)
            else:
                assert answer.status == int(expected), (name, endpoint, answer.text)
                assert endpoint.verb == "HEAD" or answer.problem(int(expected))["code"] in REFUSALS, (name, endpoint)


async def test_those_who_are_refused_change_nothing(fetch: Fetch, add: Add, ask: Ask, jp_serverapp: Any) -> None:
    await add()

    async def everything() -> list[bytes]:
        paths = ("/aoi/?counts=true", "/aoi/*/scenes", "/aoi/*/tiles", "/aoi/*/history", "/jobs/downloader")
        return [(await fetch("GET", path)).body for path in paths]

    before = await everything()
    for caller in CALLERS.values():
        if caller.authorizer is not None:
            continue
        for endpoint in ENDPOINTS:
            if getattr(caller, endpoint.action) != "in" and endpoint.verb != "GET":
                await ask(endpoint, caller, THERE)
    assert await everything() == before


class TestAuthorizer:
    @pytest.fixture
    def authorizer(self) -> type[Authorizer]:
        Reading.asked.clear()
        return Reading

    async def test_read_and_write_are_actions_of_one_resource(self, ask: Ask) -> None:
        for endpoint in [*ENDPOINTS, *reversed(ENDPOINTS)]:
            Reading.asked.clear()
            await ask(endpoint, CALLERS["the token"], NOT_THERE)
            assert Reading.asked == [("read" if endpoint.action == "read" else "write", "workflow_monitor")], endpoint

    async def test_the_token_of_workers_is_no_matter_of_the_authorizer(self, ask: Ask) -> None:
        for endpoint in ENDPOINTS:
            await ask(endpoint, CALLERS["the token of workers"], NOT_THERE)
        assert Reading.asked == []


async def test_anybody_may_ask_which_methods_there_are_and_learns_no_more(fetch: Fetch) -> None:
    """Browsers ask so before they send a request of a page to another server; they come without any token."""
    for route in ROUTES:
        answer = await fetch("OPTIONS", route.path.format(**THERE), authorized=False)
        assert (answer.status, answer.body) == (200, b""), route.path


class TestWorkers:
    """What a worker does with its token, from beginning to end."""

    async def test_it_leases_renews_and_reports(self, fetch: Fetch, add: Add) -> None:
        scene = await add()
        own = bearing(WORKER_TOKEN) | {"X-Workflow-Monitor-Actor": "machine-7"}

        async def work(method: str, path: str, body: object) -> Any:
            answer = await fetch(method, path, body, headers=own, authorized=False)
            assert answer.status == 200, answer.text
            assert "Set-Cookie" not in answer.headers
            return answer.json()

        leased = await work("POST", "/jobs/downloader/lease", {"max": 1, "seconds": 60, "worker": "w"})
        job = leased["jobs"][0]
        await work("PUT", f"/jobs/downloader/lease/{job['lease']}", {"seconds": 60})
        await work("PUT", "/jobs/downloader/lease", {"leases": [job["lease"]], "seconds": 60})
        done = {"type": "scene", "id": scene, "status": "DONE", "attempt": job["attempt"]}
        assert (await work("POST", "/results", [done]))["applied"] == 1
        events = (await fetch("GET", "/aoi/Fyn/history")).json()
        assert {event["who"] for event in events} == {"token", "worker machine-7"}

    async def test_it_is_told_what_its_token_is_for(self, fetch: Fetch) -> None:
        answer = await fetch("DELETE", "/aoi/Fyn", headers=bearing(WORKER_TOKEN), authorized=False)
        problem = answer.problem(403)
        assert problem["code"] == "not-for-workers"
        assert problem["detail"].startswith("The worker token permits")

    async def test_its_token_opens_nothing_else_of_jupyter(self, http_server_client: Any) -> None:
        for path in ("/a%40b/api/contents", "/a%40b/api/kernels", "/a%40b/api/me"):
            answer = await http_server_client.fetch(path, headers=bearing(WORKER_TOKEN), raise_error=False)
            assert answer.code in {401, 403}, path


class TestWithoutTokenOfWorkers:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"worker_token": ""}

    async def test_none_is_not_one_of_no_characters(self, ask: Ask) -> None:
        for headers, endpoint in product(({}, {"Authorization": "token "}, bearing('""')), ENDPOINTS):
            assert (await ask(endpoint, Caller("403", "403", "403", headers), THERE)).status == 403, endpoint


class TestChoosingTheTokenOfWorkers:
    def test_it_may_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert WorkflowMonitor().worker_token == ""
        monkeypatch.setenv(WORKER_TOKEN_VARIABLE, WORKER_TOKEN)
        assert WorkflowMonitor().worker_token == WORKER_TOKEN

    @pytest.mark.parametrize("token", ["short", "sixteen and more letters", "sechzehn-Zeichen-für-Äpfel"])
    def test_what_is_no_token_is_refused_and_not_shown(self, token: str, jp_serverapp: Any) -> None:
        extension = WorkflowMonitor(worker_token=token)
        extension.settings = jp_serverapp.web_app.settings
        with pytest.raises(TraitError, match="worker_token has") as caught:
            extension.initialize_settings()
        assert token not in str(caught.value)

    def test_that_of_the_server_is_refused(self, jp_serverapp: Any) -> None:
        extension = WorkflowMonitor(worker_token=TOKEN)
        extension.settings = jp_serverapp.web_app.settings
        with pytest.raises(TraitError, match="permits everything") as caught:
            extension.initialize_settings()
        assert TOKEN not in str(caught.value)

    def test_it_does_not_show_itself(self) -> None:
        assert WORKER_TOKEN not in repr(WorkerTokenAuth(WORKER_TOKEN))


@pytest.mark.parametrize(
    ("handler", "verb", "allowed"),
    [
        (LeaseJobsHandler, "POST", True),
        (Results, "POST", True),
        (AOI, "DELETE", False),
        (Jobs, "GET", False),
        (Jobs, "PUT", False),
    ],
)
def test_work_is_asked_for_twice(handler: type[Handler], verb: str, allowed: bool) -> None:
    """Before the body is read, and again where Jupyter asks its Authorizer."""
    request: Any = SimpleNamespace(request=SimpleNamespace(method=verb), **vars(handler))
    authorizer = WorkerTokenAuth(WORKER_TOKEN).authorizer
    assert authorizer.is_authorized(request, User("worker"), "write", "workflow_monitor") is allowed


def test_only_work_is_for_workers() -> None:
    assert {(one.verb, one.template) for one in ENDPOINTS if one.action == "work"} == WORK
    document = openapi(ROUTES, "/")
    described = {
        (verb.upper(), path)
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb != "parameters" and {"worker": []} in operation.get("security", document["security"])
    }
    assert described == WORK


def test_nothing_else_is_served_below_the_prefix(jp_serverapp: Any) -> None:
    application: web.Application = jp_serverapp.web_app
    served = [
        rule.matcher.regex.pattern.removeprefix(PREFIX).removesuffix("$")
        for group in application.default_router.rules
        for rule in getattr(group.target, "rules", [])
        if getattr(getattr(rule.matcher, "regex", None), "pattern", "").startswith(PREFIX)
    ]
    assert served == [*(route.pattern for route in ROUTES), "/.*"]


def test_handlers_are_guarded_by_jupyter(jp_serverapp: Any) -> None:
    """Jupyter's own check of endpoints, which turns into a warning, finds none of ours open."""
    application: web.Application = jp_serverapp.web_app
    for route in ROUTES:
        assert application._check_handler_auth(route.pattern, route.handler) == []  # type: ignore[attr-defined]


def test_an_endpoint_cannot_leave_a_verb_open() -> None:
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("Open", (Handler,), {"get": _nothing})
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("ReadingPost", (Handler,), {"post": requires_read(_nothing)})
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("WorkingGet", (Handler,), {"get": allows_worker(_nothing)})
    same = requires_write(_nothing)
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("Shared", (Handler,), {"post": same, "put": same})


async def _nothing(self: object) -> None: ...


def test_the_promise_has_the_same_table() -> None:
    page = (ROOT / "docs/explanation/promises/access.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (in|\d+) \| (in|\d+) \| (in|\d+) \|$", page, flags=re.MULTILINE)
    assert rows == [(name, caller.read, caller.write, caller.work) for name, caller in CALLERS.items()]

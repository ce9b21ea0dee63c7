"""Access control: every caller against every endpoint and verb of the list of routes."""

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

from tests.integration.server.conftest import PREFIX, Add, Fetch, Response
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

#: Refused callers request existing items; admitted callers request missing ones, so that nothing changes.
EXISTING = {"aoi": "Fyn", "id": "1", "status": "DONE", "queue": "processor", "lease": "none"}
MISSING = {"aoi": "No*where", "id": "999", "status": "DONE", "queue": "processor", "lease": "none"}


@dataclass(frozen=True)
class Endpoint:
    """A verb of a route; `action` is read, write, work or open."""

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


class ReadOnly(Authorizer):
    """Allows every user to read and no user to write, and records the requests."""

    requests: list[tuple[str, str]] = []  # noqa: RUF012 - shared with the test on purpose

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        self.requests.append((action, resource))
        return action == "read"


class DenyAll(Authorizer):
    """Allows no action."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        return False


@dataclass(frozen=True)
class Caller:
    """Credentials of a request, and the expected results of reading, writing and working."""

    read: str
    write: str
    work: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    #: Sends the cookie of a browser that has logged in.
    browser: bool = False
    authorizer: type[Authorizer] | None = None
    #: result of the health check, which needs no token
    open: str = "in"


def bearing(token: str, scheme: str = "token") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


#: The rows of the table in docs/explanation/promises/access.md.
CALLERS = {
    "no token": Caller("403", "403", "403"),
    "a wrong token": Caller("403", "403", "403", bearing("0123456789abcdef-of-nobody")),
    "a wrong token, from a strange page": Caller(
        "403", "404", "404", {**bearing("of-nobody-at-all"), **STRANGE}, open="404"
    ),
    "the token": Caller("in", "in", "in", bearing(TOKEN)),
    "the token as `Bearer`": Caller("in", "in", "in", bearing(TOKEN, "Bearer")),
    "the token in the address": Caller("in", "in", "in", query=f"token={TOKEN}"),
    "the token, to another host's name": Caller(
        "403", "403", "403", {**bearing(TOKEN), "Host": "evil.example"}, open="403"
    ),
    "a browser's cookie": Caller("in", "403", "403", browser=True),
    "a browser's cookie, a wrong XSRF header": Caller("in", "403", "403", {"X-XSRFToken": "0000"}, browser=True),
    "a browser's cookie, its XSRF header": Caller("in", "in", "in", XSRF, browser=True),
    "the same, from a strange page": Caller("404", "404", "404", {**XSRF, **STRANGE}, browser=True, open="404"),
    "a cookie that the server did not sign": Caller("403", "403", "403", {"Cookie": "username-127-0-0-1=eva", **XSRF}),
    "the token, where the Authorizer allows only to read": Caller(
        "in", "403", "403", bearing(TOKEN), authorizer=ReadOnly
    ),
    "a browser, where the Authorizer allows only to read": Caller(
        "in", "403", "403", XSRF, browser=True, authorizer=ReadOnly
    ),
    "the token, where the Authorizer allows nothing": Caller("403", "403", "403", bearing(TOKEN), authorizer=DenyAll),
    "the token of workers": Caller("403", "403", "in", bearing(WORKER_TOKEN)),
    "the token of workers as `Bearer`": Caller("403", "403", "in", bearing(WORKER_TOKEN, "Bearer")),
    "the token of workers in the address": Caller("403", "403", "403", query=f"token={WORKER_TOKEN}"),
    "the token of workers, in a browser that has logged in": Caller(
        "403", "403", "in", {**bearing(WORKER_TOKEN), **XSRF}, browser=True
    ),
    "the token of workers, where the Authorizer allows nothing": Caller(
        "403", "403", "in", bearing(WORKER_TOKEN), authorizer=DenyAll
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


Ask = Callable[[Endpoint, Caller, Mapping[str, str]], Awaitable[Response]]


@pytest.fixture
def ask(fetch: Fetch, jp_serverapp: Any) -> Ask:
    async def send(endpoint: Endpoint, caller: Caller, values: Mapping[str, str]) -> Response:
        # An invalid id makes a request for a stream of events end immediately.
        headers = {"Last-Event-ID": "none", **caller.headers}
        if caller.browser:
            headers["Cookie"] = await _login(fetch, jp_serverapp)
        query = f"?{caller.query}" if caller.query else ""
        path = f"{endpoint.path(values)}{query}"
        return await fetch(endpoint.verb, path, headers=headers, authorized=False)

    return send


async def _login(fetch: Fetch, jp_serverapp: Any) -> str:
    """Return the cookies of a browser that has logged in."""
    login = await fetch("GET", "/", headers=bearing(TOKEN))
    cookies = login.headers.get("Set-Cookie", "")
    return f"{cookies.partition(';')[0]}; _xsrf=aabbccdd"


class TestMatrix:
    @pytest.fixture(params=[None, ReadOnly, DenyAll], ids=["all", "read-only", "deny-all"])
    def authorizer(self, request: pytest.FixtureRequest) -> type[Authorizer] | None:
        authorizer: type[Authorizer] | None = request.param
        return authorizer

    async def test_each_caller_reaches_its_endpoints_only(self, authorizer: type[Authorizer] | None, ask: Ask) -> None:
        callers = {name: caller for name, caller in CALLERS.items() if caller.authorizer is authorizer}
        assert callers
        for (name, caller), endpoint in product(callers.items(), ENDPOINTS):
            expected = getattr(caller, endpoint.action)
            response = await ask(endpoint, caller, MISSING if expected == "in" else EXISTING)
            if expected == "in":
                assert response.status not in {401, 403, 405}, (name, endpoint, response.text)
                assert response.status < 500, (name, endpoint, response.text)
            else:
                assert response.status == int(expected), (name, endpoint, response.text)
                if endpoint.action == "open":
                    assert not response.body, (name, endpoint)
                else:
                    assert response.problem(int(expected))["code"] in REFUSALS, (name, endpoint)


async def test_refused_requests_change_no_operation(fetch: Fetch, add: Add, ask: Ask, jp_serverapp: Any) -> None:
    await add()

    async def snapshot() -> list[bytes]:
        paths = ("/aoi/?counts=true", "/aoi/*/scenes", "/aoi/*/tiles", "/aoi/*/history", "/jobs/downloader")
        return [(await fetch("GET", path)).body for path in paths]

    before = await snapshot()
    for caller in CALLERS.values():
        if caller.authorizer is not None:
            continue
        for endpoint in ENDPOINTS:
            if getattr(caller, endpoint.action) != "in" and endpoint.verb != "GET":
                await ask(endpoint, caller, EXISTING)
    assert await snapshot() == before


class TestAuthorizer:
    @pytest.fixture
    def authorizer(self) -> type[Authorizer]:
        ReadOnly.requests.clear()
        return ReadOnly

    async def test_the_authorizer_receives_read_or_write_of_one_resource(self, ask: Ask) -> None:
        for endpoint in [*ENDPOINTS, *reversed(ENDPOINTS)]:
            ReadOnly.requests.clear()
            await ask(endpoint, CALLERS["the token"], MISSING)
            action = "read" if endpoint.action == "read" else "write"
            expected = [] if endpoint.action == "open" else [(action, "workflow_monitor")]
            assert ReadOnly.requests == expected, endpoint

    async def test_the_worker_token_bypasses_the_authorizer(self, ask: Ask) -> None:
        for endpoint in ENDPOINTS:
            await ask(endpoint, CALLERS["the token of workers"], MISSING)
        assert ReadOnly.requests == []


async def test_options_needs_no_token_and_has_no_body(fetch: Fetch) -> None:
    """Browsers send this preflight request, without a token, before a cross-origin request."""
    for route in ROUTES:
        response = await fetch("OPTIONS", route.path.format(**EXISTING), authorized=False)
        assert (response.status, response.body) == (200, b""), route.path


class TestWorkerToken:
    """Requests of a worker with its token, from the lease to the result."""

    async def test_a_worker_leases_renews_and_reports(self, fetch: Fetch, add: Add) -> None:
        scene_id = await add()
        headers = bearing(WORKER_TOKEN) | {"X-Workflow-Monitor-Actor": "machine-7"}

        async def work(method: str, path: str, body: object) -> Any:
            response = await fetch(method, path, body, headers=headers, authorized=False)
            assert response.status == 200, response.text
            assert "Set-Cookie" not in response.headers
            return response.json()

        leased = await work("POST", "/jobs/downloader/lease", {"max": 1, "seconds": 60, "worker": "w"})
        job = leased["jobs"][0]
        await work("PUT", f"/jobs/downloader/lease/{job['lease']}", {"seconds": 60})
        await work("PUT", "/jobs/downloader/lease", {"leases": [job["lease"]], "seconds": 60})
        result = {"type": "scene", "id": scene_id, "status": "DONE", "attempt": job["attempt"]}
        assert (await work("POST", "/results", [result]))["applied"] == 1
        events = (await fetch("GET", "/aoi/Fyn/history")).json()
        assert {event["who"] for event in events} == {"token", "worker machine-7"}

    async def test_the_refusal_explains_the_worker_token(self, fetch: Fetch) -> None:
        response = await fetch("DELETE", "/aoi/Fyn", headers=bearing(WORKER_TOKEN), authorized=False)
        problem = response.problem(403)
        assert problem["code"] == "not-for-workers"
        assert problem["detail"].startswith("The worker token permits")

    async def test_the_worker_token_is_refused_by_jupyter(self, http_server_client: Any) -> None:
        for path in ("/a%40b/api/contents", "/a%40b/api/kernels", "/a%40b/api/me"):
            response = await http_server_client.fetch(path, headers=bearing(WORKER_TOKEN), raise_error=False)
            assert response.code in {401, 403}, path


class TestNoWorkerToken:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"worker_token": ""}

    async def test_an_empty_token_is_refused(self, ask: Ask) -> None:
        closed = [endpoint for endpoint in ENDPOINTS if endpoint.action != "open"]
        for headers, endpoint in product(({}, {"Authorization": "token "}, bearing('""')), closed):
            assert (await ask(endpoint, Caller("403", "403", "403", headers), EXISTING)).status == 403, endpoint


class TestWorkerTokenTrait:
    def test_the_environment_sets_the_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert WorkflowMonitor().worker_token == ""
        monkeypatch.setenv(WORKER_TOKEN_VARIABLE, WORKER_TOKEN)
        assert WorkflowMonitor().worker_token == WORKER_TOKEN

    @pytest.mark.parametrize("token", ["short", "sixteen and more letters", "sechzehn-Zeichen-für-Äpfel"])
    def test_an_invalid_token_is_refused_and_not_shown(self, token: str, jp_serverapp: Any) -> None:
        extension = WorkflowMonitor(worker_token=token)
        extension.settings = jp_serverapp.web_app.settings
        with pytest.raises(TraitError, match="worker_token has") as caught:
            extension.initialize_settings()
        assert token not in str(caught.value)

    def test_the_token_of_the_server_is_refused(self, jp_serverapp: Any) -> None:
        extension = WorkflowMonitor(worker_token=TOKEN)
        extension.settings = jp_serverapp.web_app.settings
        with pytest.raises(TraitError, match="permits everything") as caught:
            extension.initialize_settings()
        assert TOKEN not in str(caught.value)

    def test_repr_hides_the_token(self) -> None:
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
def test_the_worker_authorizer_allows_work_only(handler: type[Handler], verb: str, allowed: bool) -> None:
    """The guard checks before the body is read; Jupyter checks again with this authorizer."""
    request: Any = SimpleNamespace(request=SimpleNamespace(method=verb), **vars(handler))
    authorizer = WorkerTokenAuth(WORKER_TOKEN).authorizer
    assert authorizer.is_authorized(request, User("worker"), "write", "workflow_monitor") is allowed


def test_the_worker_token_covers_the_work_endpoints() -> None:
    assert {(endpoint.verb, endpoint.template) for endpoint in ENDPOINTS if endpoint.action == "work"} == WORK
    document = openapi(ROUTES, "/")
    described = {
        (verb.upper(), path)
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb != "parameters" and {"worker": []} in operation.get("security", document["security"])
    }
    assert described == WORK


def test_the_routes_are_the_only_handlers_below_the_prefix(jp_serverapp: Any) -> None:
    application: web.Application = jp_serverapp.web_app
    served = [
        rule.matcher.regex.pattern.removeprefix(PREFIX).removesuffix("$")
        for group in application.default_router.rules
        for rule in getattr(group.target, "rules", [])
        if getattr(getattr(rule.matcher, "regex", None), "pattern", "").startswith(PREFIX)
    ]
    assert served == [*(route.pattern for route in ROUTES), "/.*"]


def test_jupyter_reports_no_unguarded_handler(jp_serverapp: Any) -> None:
    """Jupyter logs a warning for every handler without authentication."""
    application: web.Application = jp_serverapp.web_app
    for route in ROUTES:
        assert application._check_handler_auth(route.pattern, route.handler) == []  # type: ignore[attr-defined]


def test_a_verb_without_a_guard_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("Open", (Handler,), {"get": _no_operation})
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("ReadingPost", (Handler,), {"post": requires_read(_no_operation)})
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("WorkingGet", (Handler,), {"get": allows_worker(_no_operation)})
    shared = requires_write(_no_operation)
    with pytest.raises(TypeError, match="must be a method of its own"):
        type("Shared", (Handler,), {"post": shared, "put": shared})


async def _no_operation(self: object) -> None: ...


def test_the_documentation_has_the_same_table() -> None:
    page = (ROOT / "docs/explanation/promises/access.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (in|\d+) \| (in|\d+) \| (in|\d+) \|$", page, flags=re.MULTILINE)
    assert rows == [(name, caller.read, caller.write, caller.work) for name, caller in CALLERS.items()]

"""Discovery of the workflow server of this kernel or script, and of its token."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from jupyter_core.paths import jupyter_runtime_dir

from workflow_monitor.client.api import ROOT_ANSWER, Api
from workflow_monitor.client.error_mapping import error_from_response
from workflow_monitor.client.errors import MonitorError, ServerError, ServerNotFound
from workflow_monitor.client.geocube import GeocubeApi
from workflow_monitor.client.http import LOOPBACK, Response, Transport
from workflow_monitor.client.secret import Secret, split_address

NAMESPACE = "workflow-monitor"
URL = "WORKFLOW_MONITOR_URL"
TOKEN = "WORKFLOW_MONITOR_TOKEN"  # noqa: S105 - the name of a variable
PARENT = "JPY_PARENT_PID"
HUB_PREFIX = "JUPYTERHUB_SERVICE_PREFIX"
HUB_URL = "JUPYTERHUB_SERVICE_URL"
HUB_TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - the name of a variable
HUB_USER = "JUPYTERHUB_USER"

#: opens a transport to a URL with a token
Connect = Callable[[str, Secret | None], Transport]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A Jupyter server of this user, from its file in the runtime directory."""

    pid: int
    url: str
    token: Secret | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible server, with the reason for trying it."""

    url: str
    token: Secret | None
    reason: str


@dataclass(slots=True)
class Environment:
    """Environment variables and running Jupyter servers of this process."""

    #: hidden from tracebacks, because it contains tokens
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    runtime: Path = field(default_factory=lambda: Path(jupyter_runtime_dir()))
    _running: list[RunningServer] | None = None

    @property
    def running(self) -> list[RunningServer]:
        """Jupyter servers of this user on this machine, ordered by process id."""
        if self._running is None:
            self._running = sorted(_running_in(self.runtime), key=lambda server: server.pid)
        return self._running

    def token_for(self, url: str) -> Secret | None:
        """Return the token of a server. Sources that belong to another server are ignored."""
        token, announced = self.environment.get(TOKEN), self.environment.get(URL)
        if token and announced and _origin(announced) == _origin(url):
            return Secret(token)
        for server in self.running:
            if server.token and _is_below(url, server.url):
                return server.token
        hub, prefix = self.environment.get(HUB_TOKEN), self.environment.get(HUB_PREFIX)
        if hub and prefix and _is_below(url, _hub_url(self.environment.get(HUB_URL, ""), prefix)):
            return Secret(hub)
        # A token variable without a URL variable applies to the explicit URL.
        return Secret(token) if token and not announced else None

    def candidates(self) -> Iterator[Candidate]:
        """Yield the candidates for `Monitor()` without a URL, the nearest first."""
        if announced := self.environment.get(URL):
            url, inside = split_address(announced)
            yield Candidate(url, inside or self.token_for(url), f"the variable {URL}")
        if parent := self._parent():
            yield Candidate(parent.url, self.token_for(parent.url), "the Jupyter server that started this kernel")
        if prefix := self.environment.get(HUB_PREFIX):
            url = _hub_url(self.environment.get(HUB_URL, ""), prefix)
            yield Candidate(url, self.token_for(url), f"JupyterHub ({HUB_PREFIX})")

    def _parent(self) -> RunningServer | None:
        pid = self.environment.get(PARENT, "")
        return next((server for server in self.running if str(server.pid) == pid), None)

    def others(self) -> list[Candidate]:
        """Return the running servers of the user as candidates of last resort."""
        return [
            Candidate(server.url, self.token_for(server.url), f"a Jupyter server that runs here, process {server.pid}")
            for server in self.running
        ]

    def actor(self) -> str:
        """Return the user name of the hub, or else of this machine."""
        if name := self.environment.get(HUB_USER):
            return name
        try:
            return getpass.getuser()
        except (KeyError, OSError, ImportError):
            return ""


def find(connect: Connect, env: Environment) -> Api:
    """Return the interface of the server of this process. Raises ServerNotFound with the candidates tried."""
    looked_at: list[str] = []
    for candidate in env.candidates():
        found = _try(connect, candidate, looked_at)
        if found is not None:
            return found
        if candidate.reason.endswith(URL):
            # An explicit setting has no fallback: another server would show other data.
            raise ServerNotFound(f"The workflow server in {URL} does not respond. {_LINE}", looked_at)
    looked_at += [f"{URL}: not set"] if URL not in env.environment else []
    if not looked_at[:-1]:
        looked_at.append(f"no kernel of a Jupyter server of this machine ({PARENT}), no JupyterHub ({HUB_PREFIX})")
    working = [
        (candidate, api) for candidate in env.others() if (api := _try(connect, candidate, looked_at)) is not None
    ]
    if len(working) == 1:
        return working[0][1]
    if working:
        lines = [f'Monitor("{candidate.url}")  # {candidate.reason}' for candidate, _ in working]
        raise ServerNotFound("Several workflow servers run here. Choose one:", lines)
    if not env.running:
        looked_at.append(f"no Jupyter server of yours runs on this machine ({env.runtime})")
    raise ServerNotFound(f"No workflow server was found. {_LINE} Tried:", looked_at)


#: marks the response of a workflow server without a store
_WITHOUT_STORE = b'"code":"store-unavailable"'
_LINE = f'Name it: Monitor("https://host/…/", token="…"), or set {URL} and {TOKEN}.'


def _try(connect: Connect, candidate: Candidate, looked_at: list[str]) -> Api | None:
    reason = ""
    try:
        return open_api(connect, candidate.url, candidate.token)
    except ServerError as error:
        if error.code == "store-unavailable":
            # The server exists, and its message names the remedy.
            raise
        reason = str(error).split("\n", 1)[0]
    except MonitorError as error:
        reason = str(error).split("\n", 1)[0]
    looked_at.append(f"{candidate.url}, {candidate.reason}: {reason}")
    return None


def open_api(connect: Connect, url: str, token: Secret | None) -> Api:
    """Return the interface of the server at a URL: the base URL of Jupyter, or the root of a bare workflow server."""
    answers: list[tuple[str, Response]] = []
    refused: MonitorError | None = None
    for root in candidate_roots(url):
        connection = connect(root, token)
        try:
            answer = connection.get("", accept="text/plain")
            if _WITHOUT_STORE in answer.body:
                connection.checked(answer, "")
        except MonitorError as error:
            refused = error
        else:
            if answer.is_success and answer.text.strip() == ROOT_ANSWER:
                return _kind_of(connection)
            answers.append((root, answer))
        connection.close()
        if refused is not None:
            break
    if refused is not None:
        raise refused
    raise _none_there(url, answers)


def candidate_roots(url: str) -> list[str]:
    """Return the possible roots of the endpoints below a URL, the most likely first.

    >>> candidate_roots("http://host/user/eva/")
    ['http://host/user/eva/workflow-monitor/', 'http://host/user/eva/']
    >>> candidate_roots("http://host/services/workflow-monitor/")[0]
    'http://host/services/workflow-monitor/workflow-monitor/'
    """
    path = urlsplit(url).path.rstrip("/")
    # /services/workflow-monitor/ is the prefix of a hub service, not the root of the endpoints.
    if path.endswith(f"/{NAMESPACE}") and not path.endswith(f"/services/{NAMESPACE}"):
        return [url]
    return [f"{url}{NAMESPACE}/", url]


def _kind_of(connection: Transport) -> Api:
    """Return the interface of the server type: only this project's server has openapi.json."""
    answer = connection.get("openapi.json")
    if answer.is_success and answer.body.lstrip().startswith(b"{") and b'"openapi"' in answer.body:
        return Api(connection)
    api = GeocubeApi(connection)
    # The root needs no token; this read checks it.
    api.aois()
    return api


def _none_there(url: str, answers: list[tuple[str, Response]]) -> MonitorError:
    tried = [f"{root} answered {answer.status}" for root, answer in answers]
    if denied := [(root, answer) for root, answer in answers if answer.status in (401, 403)]:
        root, answer = denied[0]
        return error_from_response(answer.status, answer.media_type, answer.body, root, is_page=answer.is_page)
    jupyter = any("/login" in answer.text or "jupyter" in answer.text.lower() for _, answer in answers)
    if jupyter:
        return ServerNotFound(
            f"{url} is a Jupyter server, but without the workflow monitor. Install it where that server runs: "
            "pip install workflow-monitor; then restart the server.",
            tried,
        )
    return ServerNotFound(f"There is no workflow server at {url}. {_LINE}", tried)


def _running_in(folder: Path) -> Iterator[RunningServer]:
    for file in folder.glob("jpserver-*.json"):
        try:
            document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            pid, url = int(document["pid"]), str(document["url"])
            token = Secret(str(document.get("token") or ""))
            if _is_alive(pid):
                yield RunningServer(pid, url if url.endswith("/") else f"{url}/", token or None)
        except (OSError, ValueError, KeyError, TypeError, MonitorError):
            # Jupyter writes these files concurrently; skip an invalid one.
            continue


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _hub_url(service_url: str, prefix: str) -> str:
    parts = urlsplit(service_url or "http://127.0.0.1:8888")
    host = "127.0.0.1" if parts.hostname in {None, "0.0.0.0", "::", ""} else parts.hostname  # noqa: S104 - as told
    netloc = f"{host}:{parts.port}" if parts.port else str(host)
    return urlunsplit((parts.scheme or "http", netloc, f"{prefix.rstrip('/')}/", "", ""))


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = "localhost" if parts.hostname in LOOPBACK else parts.hostname or ""
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def _is_below(url: str, base: str) -> bool:
    return _origin(url) == _origin(base) and urlsplit(url).path.startswith(urlsplit(base).path)

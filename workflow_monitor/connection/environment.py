"""Environment variables and running Jupyter servers, from which a process derives its workflow server and token."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from jupyter_core.paths import jupyter_runtime_dir

from workflow_monitor.connection.addresses import is_below, origin, split_address
from workflow_monitor.connection.errors import MonitorError
from workflow_monitor.connection.secret import Secret
from workflow_monitor.trust import UntrustedFile, is_this_host, read_trusted

URL = "WORKFLOW_MONITOR_URL"
TOKEN = "WORKFLOW_MONITOR_TOKEN"  # noqa: S105 - the name of a variable
PARENT = "JPY_PARENT_PID"
HUB_PREFIX = "JUPYTERHUB_SERVICE_PREFIX"
HUB_URL = "JUPYTERHUB_SERVICE_URL"
HUB_TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105 - the name of a variable
HUB_USER = "JUPYTERHUB_USER"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running Jupyter server of this user, as described by its file in the runtime directory."""

    pid: int
    url: str
    token: Secret | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Address of a possible workflow server, and the source of the address."""

    url: str
    token: Secret | None
    reason: str


@dataclass(slots=True)
class Environment:
    """Environment variables and runtime directory of this process."""

    #: excluded from repr: it contains tokens
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    runtime: Path = field(default_factory=lambda: Path(jupyter_runtime_dir()))
    #: files of the runtime directory that are not trusted, each with the reason; complete after a use of `running`
    untrusted: list[str] = field(default_factory=list)
    _running: list[RunningServer] | None = None

    @property
    def running(self) -> list[RunningServer]:
        """The Jupyter servers of this user that run on this machine, ordered by process id."""
        if self._running is None:
            self._running = sorted(self._read_runtime(), key=lambda server: server.pid)
        return self._running

    def token_for(self, url: str) -> Secret | None:
        """Return the token for a server. A token bound to another server is never returned."""
        token, announced = self.environment.get(TOKEN), self.environment.get(URL)
        if token and announced and origin(announced) == origin(url):
            return Secret(token)
        for server in self.running:
            if server.token and is_below(url, server.url):
                return server.token
        hub, prefix = self.environment.get(HUB_TOKEN), self.environment.get(HUB_PREFIX)
        if hub and prefix and is_below(url, _hub_url(self.environment.get(HUB_URL, ""), prefix)):
            return Secret(hub)
        # Without a URL beside it, the token is meant for the server that the user names.
        return Secret(token) if token and not announced else None

    def candidates(self) -> Iterator[Candidate]:
        """Yield the candidates to try when no address is given, the nearest first."""
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
        """Return all running Jupyter servers of the user as candidates."""
        return [
            Candidate(server.url, self.token_for(server.url), f"a Jupyter server that runs here, process {server.pid}")
            for server in self.running
        ]

    def actor(self) -> str:
        """Return the name of the hub's user, else of the user of this machine; empty if neither exists."""
        if name := self.environment.get(HUB_USER):
            return name
        try:
            return getpass.getuser()
        except (KeyError, OSError, ImportError):
            return ""

    def _read_runtime(self) -> Iterator[RunningServer]:
        for file in self.runtime.glob("jpserver-*.json"):
            try:
                server = _parse_runtime_file(read_trusted(file))
            except UntrustedFile as error:
                self.untrusted.append(f"{file}: not trusted, because another user may have written it ({error.reason})")
            except (OSError, ValueError, KeyError, TypeError, MonitorError):
                # Jupyter writes these files; an unreadable one does not prevent the use of the others.
                continue
            else:
                if not is_this_host(urlsplit(server.url).hostname or ""):
                    self.untrusted.append(
                        f"{file}: not trusted, because {server.url} is not an address of this machine"
                    )
                elif _is_alive(server.pid):
                    yield server


def _parse_runtime_file(text: bytes) -> RunningServer:
    document: dict[str, Any] = json.loads(text)
    url, token = str(document["url"]), Secret(str(document.get("token") or ""))
    return RunningServer(int(document["pid"]), url if url.endswith("/") else f"{url}/", token or None)


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
    host = "127.0.0.1" if parts.hostname in {None, "0.0.0.0", "::", ""} else parts.hostname  # noqa: S104 - a comparison
    netloc = f"{host}:{parts.port}" if parts.port else str(host)
    return urlunsplit((parts.scheme or "http", netloc, f"{prefix.rstrip('/')}/", "", ""))

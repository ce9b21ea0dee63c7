"""Another workflow server that answers in place of this one: how it is asked, and what can go wrong on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from string import punctuation
from urllib.parse import quote, urlsplit

import httpx

from workflow_monitor.connection.addresses import LOOPBACK, candidate_roots, split_address
from workflow_monitor.connection.environment import HUB_TOKEN, Environment
from workflow_monitor.connection.secret import Secret
from workflow_monitor.domain.errors import StoreUnavailable, WorkflowError

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 600.0
#: Less than the 5 seconds after which JupyterHub's proxy, as any Node server, closes a silent connection.
IDLE_SECONDS = 4.0
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class UpstreamUnreachable(StoreUnavailable):
    """The workflow server that this one passes requests on to does not answer. Nothing was done."""

    code = "upstream-unreachable"
    title = "The workflow server behind this one does not answer"


class UpstreamUnknown(StoreUnavailable):
    """Something else than a workflow server answers where this one passes requests on to."""

    code = "upstream-unknown"
    title = "There is no workflow server behind this one"


class UpstreamDenied(WorkflowError):
    """The workflow server that this one passes requests on to does not allow this to it, or to the person."""

    status = 403
    code = "upstream-denied"
    title = "The workflow server behind this one does not allow this"


class UpstreamLost(WorkflowError):
    """The answer of the workflow server that this one passes requests on to did not arrive; it may have been done."""

    status = 502
    code = "upstream-lost"
    title = "The answer was lost"


class UpstreamLoop(WorkflowError):
    """The request has been here before: servers pass requests on to each other in a circle."""

    status = 508
    code = "upstream-loop"
    title = "Servers pass requests on in a circle"


def from_address(address: str, token: str, around: Environment) -> Upstream:
    """The workflow server at an address, which may have its token in it, asked as whoever runs this one.

    Without a token it is asked with that of the hub, if it is one of the hub's services, or with that of the user's own
    server. Raises MonitorError if this is no address, or no token.
    """
    url, inside = split_address(address)
    secret = Secret(token) or inside or _hub_token(url, around) or around.token_for(url)
    return Upstream(candidate_roots(url)[0], "token", secret, stands_for=around.actor())


def _hub_token(url: str, around: Environment) -> Secret | None:
    """The token of this user's server, which the hub's services know; nobody else is to see it."""
    token, base = around.environment.get(HUB_TOKEN), around.environment.get("JUPYTERHUB_BASE_URL", "/")
    is_service = urlsplit(url).path.startswith(f"{base.rstrip('/')}/services/")
    return Secret(token) if token and is_service else None


class Upstream:
    """A workflow server at `url`, below which all endpoints are."""

    def __init__(
        self, url: str, scheme: str, secret: Secret | None, *, stands_for: str = "", verify: bool = True
    ) -> None:
        self.url = url.rstrip("/")
        self._url = httpx.URL(self.url)
        #: who acts if nobody says who it is
        self.stands_for = stands_for
        self._secret = secret
        headers = {"User-Agent": "workflow-monitor", "Accept-Encoding": "identity"}
        if secret:
            headers["Authorization"] = f"{scheme} {secret.reveal()}"
        self._client = httpx.AsyncClient(
            headers=headers,
            verify=verify,
            timeout=httpx.Timeout(WRITE_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=IDLE_SECONDS),
            # A proxy of the environment is not for this machine's own server.
            trust_env=self._url.host not in LOOPBACK,
        )

    def __repr__(self) -> str:
        return f"Upstream({self.url!r})"

    @asynccontextmanager
    async def ask(
        self, method: str, path: str, headers: Mapping[bytes, bytes], body: bytes, silence: float
    ) -> AsyncIterator[httpx.Response]:
        """The answer, of which only the head has been read; `silence` is how long it may say nothing, in seconds.

        Raises UpstreamUnreachable if nothing was done there, UpstreamLost if that is not certain.
        """
        begun = False
        try:
            async with self._client.stream(
                method,
                self._url.copy_with(raw_path=self._url.raw_path.rstrip(b"/") + quote(path, safe=punctuation).encode()),
                headers=headers,
                content=body,
                timeout=httpx.Timeout(WRITE_SECONDS, read=silence, connect=CONNECT_SECONDS, pool=None),
            ) as answer:
                begun = True
                yield answer
        except httpx.HTTPError as error:
            is_harmless = isinstance(error, _BEFORE_SENDING) or (method in {"GET", "HEAD"} and not begun)
            raise (self.unreachable if is_harmless else self.lost)(self._why(error)) from None

    def unreachable(self, why: str) -> UpstreamUnreachable:
        """The error for a server that does not answer."""
        return UpstreamUnreachable(
            f"This server passes requests on to the workflow server at {self.url}, which does not answer ({why}). "
            "Nothing was done; try again."
        )

    def lost(self, why: str) -> UpstreamLost:
        """The error for an answer that did not arrive."""
        return UpstreamLost(
            f"The workflow server at {self.url} did not finish its answer ({why}); what was asked may have been "
            "done. Look at the present state before you do it again."
        )

    def _why(self, error: Exception) -> str:
        text = str(error) or type(error).__name__
        return self._secret.hide(text) if self._secret else text

    async def close(self) -> None:
        """Let go of the sockets; what is being answered breaks off."""
        await self._client.aclose()

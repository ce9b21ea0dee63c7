"""Connection to the workflow server that handles the requests of this one, and its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from string import punctuation
from urllib.parse import quote, urlsplit

import httpx

from workflow_monitor.connection.addresses import LOOPBACK, candidate_roots, split_address
from workflow_monitor.connection.environment import HUB_TOKEN, Environment
from workflow_monitor.connection.secret import Secret
from workflow_monitor.domain.errors import StoreUnavailable, WorkflowError

CONNECT_SECONDS = 5.0
WRITE_SECONDS = 600.0
#: below the 5 seconds after which JupyterHub's proxy, as any Node server, closes an idle connection
IDLE_SECONDS = 4.0
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class UpstreamUnreachable(StoreUnavailable):
    """The workflow server to which this server forwards requests does not respond. Nothing was changed."""

    code = "upstream-unreachable"
    title = "The upstream workflow server does not respond"


class UpstreamUnknown(StoreUnavailable):
    """The address to which this server forwards requests does not belong to a workflow server."""

    code = "upstream-unknown"
    title = "The upstream server is not a workflow server"


class UpstreamDenied(WorkflowError):
    """The workflow server to which this one forwards requests rejected its token, or does not permit the request."""

    status = 403
    code = "upstream-denied"
    title = "The upstream workflow server does not permit this"


class UpstreamLost(WorkflowError):
    """The connection to the upstream workflow server failed during the request, which may have taken effect."""

    status = 502
    code = "upstream-lost"
    title = "The response was lost"


class UpstreamLoop(WorkflowError):
    """The request has passed through this server before: the servers forward requests in a loop."""

    status = 508
    code = "upstream-loop"
    title = "The servers forward requests in a loop"


def from_address(address: str, token: str, around: Environment) -> Upstream:
    """Return the workflow server at an address, which may contain its token. The actor is the user of this process.

    Without a token, a service of the hub receives the hub's token, any other server the token of the user's own server.
    Raises MonitorError for an invalid address or token.
    """
    url, address_token = split_address(address)
    secret = Secret(token) or address_token or _hub_token(url, around) or around.token_for(url)
    return Upstream(candidate_roots(url)[0], "token", secret, stands_for=around.actor())


def _hub_token(url: str, around: Environment) -> Secret | None:
    """Return the hub's token of this user's server; only services of the hub may receive it."""
    token, base = around.environment.get(HUB_TOKEN), around.environment.get("JUPYTERHUB_BASE_URL", "/")
    is_service = urlsplit(url).path.startswith(f"{base.rstrip('/')}/services/")
    return Secret(token) if token and is_service else None


class Upstream:
    """HTTP client of the workflow server whose endpoints are below `url`."""

    def __init__(
        self, url: str, scheme: str, secret: Secret | None, *, stands_for: str = "", verify: bool = True
    ) -> None:
        self.url = url.rstrip("/")
        self._url = httpx.URL(self.url)
        #: actor of requests that declare none
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
            # Proxy variables must not apply to servers on this machine.
            trust_env=self._url.host not in LOOPBACK,
        )
        # Responses depend on an absent Accept, which httpx would replace.
        del self._client.headers["Accept"]

    def __repr__(self) -> str:
        return f"Upstream({self.url!r})"

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: Mapping[bytes, bytes], body: bytes, read_timeout: float
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and yield the response with its body unread; `read_timeout` is in seconds.

        Raises UpstreamUnreachable if the request has had no effect, UpstreamLost if it may have had one.
        """
        has_response = False
        try:
            async with self._client.stream(
                method,
                self._url.copy_with(raw_path=self._url.raw_path.rstrip(b"/") + quote(path, safe=punctuation).encode()),
                headers=headers,
                content=body,
                timeout=httpx.Timeout(WRITE_SECONDS, read=read_timeout, connect=CONNECT_SECONDS, pool=None),
            ) as response:
                has_response = True
                yield response
        except httpx.HTTPError as error:
            is_harmless = isinstance(error, _BEFORE_SENDING) or (method in {"GET", "HEAD"} and not has_response)
            raise (self.unreachable if is_harmless else self.lost)(self._reason(error)) from None

    async def check_health(self) -> None:
        """Raise UpstreamUnreachable unless the server and its store are available."""
        async with self.send("GET", "/healthz", {}, b"", CONNECT_SECONDS) as response:
            if response.status_code != HTTPStatus.OK:
                raise self.unreachable(f"its health check returned {response.status_code}")

    def unreachable(self, reason: str) -> UpstreamUnreachable:
        """Return the error of a server that does not respond."""
        return UpstreamUnreachable(
            f"This server forwards requests to the workflow server at {self.url}, which does not respond ({reason}). "
            "Nothing was changed; try again."
        )

    def lost(self, reason: str) -> UpstreamLost:
        """Return the error of a lost response."""
        return UpstreamLost(
            f"The workflow server at {self.url} did not finish its response ({reason}). The request may have taken effect: "
            "check the current state before you repeat it."
        )

    def _reason(self, error: Exception) -> str:
        return self.hide(str(error) or type(error).__name__)

    def hide(self, text: str) -> str:
        """Replace the token of this server in a text of the upstream server."""
        return self._secret.hide(text) if self._secret else text

    def hide_bytes(self, text: bytes) -> bytes:
        """Replace the token of this server in a body of the upstream server."""
        return self._secret.hide_bytes(text) if self._secret else text

    async def close(self) -> None:
        """Close all connections, also those of requests in progress."""
        await self._client.aclose()

"""HTTP transport: reads are retried, writes are sent once, and failures become typed errors.

No exception of httpx leaves this module, because it holds the request with the token.
"""

from __future__ import annotations

import random
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar, cast

import httpx

from workflow_monitor.client.error_mapping import error_from_response
from workflow_monitor.client.errors import (
    IncompleteResponse,
    MonitorError,
    NotSupported,
    ResponseLost,
    ServerUnreachable,
    UnexpectedResponse,
)
from workflow_monitor.client.hints import hint
from workflow_monitor.connection.addresses import LOOPBACK
from workflow_monitor.connection.secret import Secret
from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.documents.media_types import JSON, PROBLEM

RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
#: statuses that leave open whether a write was applied
UNCERTAIN = frozenset({502, 504})
CONNECT_SECONDS = 10.0
WRITE_SECONDS = 600.0
LONGEST_PAUSE = 8.0
CONNECTIONS = 16

T = TypeVar("T")
Found = TypeVar("Found")
Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    media_type: str
    body: bytes = field(repr=False)
    retry_after: float = 0.0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    @property
    def is_page(self) -> bool:
        """True for an HTML page, which no endpoint of a workflow server returns."""
        return self.media_type == "text/html" or self.body[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """A request without a complete response."""

    reason: str
    #: the request never reached the server
    unsent: bool = False
    #: the response had started
    begun: bool = False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Count of retries of a read, with pauses (seconds) that double each time, with jitter."""

    retries: int = 4
    pause: float = 0.25

    def pauses(self) -> Iterator[float]:
        """Yield the pause (seconds) before each retry."""
        for number in range(self.retries):
            longest = min(LONGEST_PAUSE, self.pause * 2**number)
            yield longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, protects nothing


@dataclass(frozen=True, slots=True)
class _Consumed(Generic[T]):
    value: T


class Transport:
    """HTTP client of one server; paths are relative to `url`. Thread-safe."""

    def __init__(
        self,
        url: str,
        token: Secret | None,
        *,
        actor: str = "",
        timeout: float = 60.0,
        patience: RetryPolicy | None = None,
        verify: bool | str = True,
    ) -> None:
        self.url = url if url.endswith("/") else f"{url}/"
        self.token = token
        self.patience = patience or RetryPolicy()
        host = httpx.URL(self.url).host
        headers = {"User-Agent": "workflow-monitor"}
        if host in LOOPBACK:
            # Compression costs more time than the loopback saves.
            headers["Accept-Encoding"] = "identity"
        self.actor = _header_text(actor)
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._patient = httpx.Timeout(max(timeout, WRITE_SECONDS), connect=min(timeout, CONNECT_SECONDS))
        http = self._http = httpx.Client(
            headers=headers,
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=30),
            verify=verify if self.url.startswith("https") else False,
            # Proxies of the environment do not apply to loopback.
            trust_env=host not in LOOPBACK,
        )
        # Closes the sockets of a Transport that was never closed.
        weakref.finalize(self, http.close)

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    # ---- reads

    def get(self, path: str, *, accept: str = JSON, params: Params | None = None) -> Response:
        """Send a GET with retries and return the response of any status. Raises ServerUnreachable."""
        return self._until_there(lambda: self._once("GET", path, accept=accept, params=params))

    def read(self, path: str, *, accept: str = JSON, params: Params | None = None) -> Response:
        """Send a GET with retries and return a successful response. Raises MonitorError."""
        return self.checked(self.get(path, accept=accept, params=params), path)

    def stream(self, path: str, *, accept: str, params: Params | None, consume: Callable[[str, IO[bytes]], T]) -> T:
        """Pass media type and byte stream of a response to `consume`, and return its result.

        `consume` is called again if the response ends early. It may raise ValueError for invalid bytes.
        """
        found = cast("Response | _Consumed[T]", self._until_there(lambda: self._consume(path, accept, params, consume)))
        if isinstance(found, Response):
            self.checked(found, path)
            raise UnexpectedResponse(f"{self.url}{path} answered {found.status} without what was asked for.")
        return found.value

    def lines(
        self, path: str, *, accept: str, params: Params | None = None, silence: float = 60.0
    ) -> Generator[str, None, None]:
        """Yield the lines of an endless response, until it ends or is silent for `silence` seconds."""
        timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS)
        try:
            with self._open("GET", path, accept=accept, params=params, timeout=timeout) as answer:
                if answer.is_success:
                    yield from answer.iter_lines()
                    return
                answer.read()
                refused = self._whole(answer)
        except httpx.HTTPError:
            return
        self.checked(refused, path)

    def _until_there(self, ask: Callable[[], Found | RequestFailure]) -> Found:
        pauses = self.patience.pauses()
        while True:
            found = ask()
            pause = next(pauses, None)
            if pause is None:
                break
            if isinstance(found, Response) and found.status in RETRYABLE_STATUSES and not found.is_success:
                pause = max(pause, min(found.retry_after, LONGEST_PAUSE) * 0.2)
            elif not isinstance(found, RequestFailure):
                break
            time.sleep(pause)
        if isinstance(found, RequestFailure):
            raise self._unreachable(found)
        return found

    def _unreachable(self, failure: RequestFailure) -> MonitorError:
        if failure.begun:
            return IncompleteResponse(
                f"The response of {self.url} ended early on every retry ({failure.reason}). "
                f"Check the log of the server, or {hint('pages')}."
            )
        return ServerUnreachable(
            f"No response from {self.url} ({failure.reason}). Is the server running, and is this its address?"
        )

    # ---- writes

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes = b"",
        media_type: str = "",
        if_lost: str = "",
    ) -> Response:
        """Send a write once. Raises ResponseLost, with the advice `if_lost`, if the response does not arrive."""
        content = {"Content-Type": media_type} if media_type else {}
        found = self._once(method, path, params=params, body=body, headers=content, timeout=self._patient)
        doing = f"{method} {self.url}{path}"
        advice = f" {if_lost}" if if_lost else " Check the current state before repeating it."
        if isinstance(found, RequestFailure):
            if found.unsent:
                raise self._unreachable(found)
            raise ResponseLost(
                f"{doing}: the response did not arrive ({found.reason}); it may have been applied.{advice}"
            )
        if found.status in UNCERTAIN or (found.status == 503 and "json" not in found.media_type):
            raise ResponseLost(f"{doing}: a proxy returned {found.status}.{advice}")
        if 300 <= found.status < 400:
            raise UnexpectedResponse(f"{doing} was redirected ({found.status}). Use the address that a browser shows.")
        return found

    # ---- one request

    def checked(self, answer: Response, path: str) -> Response:
        """Return a successful response unchanged. Raises MonitorError for any other."""
        if answer.is_success and not answer.is_page:
            return answer
        raise error_from_response(
            answer.status, answer.media_type, answer.body, f"{self.url}{path}", is_page=answer.is_page, hide=self.hide
        )

    def hide(self, text: str) -> str:
        """Replace the token in a text of the server."""
        return self.token.hide(text) if self.token else text

    def _once(
        self,
        method: str,
        path: str,
        *,
        accept: str = JSON,
        params: Params | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout | None = None,
    ) -> Response | RequestFailure:
        begun = False
        try:
            with self._open(method, path, accept, params, body, headers, timeout) as answer:
                begun = True
                answer.read()
                return self._whole(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._failure(error, begun=begun)

    def _consume(
        self, path: str, accept: str, params: Params | None, consume: Callable[[str, IO[bytes]], T]
    ) -> Response | RequestFailure | _Consumed[T]:
        begun = False
        try:
            with self._open("GET", path, accept, params) as answer:
                begun = True
                if not answer.is_success:
                    answer.read()
                    return self._whole(answer)
                media_type = _media_type(answer)
                if media_type == "text/html":
                    return Response(answer.status_code, media_type, b"")
                return _Consumed(consume(media_type, ByteStream(answer.iter_bytes())))  # type: ignore[arg-type]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._failure(error, begun=begun)
        except (ValueError, OSError, EOFError) as error:
            return RequestFailure(f"{type(error).__name__}: {self.hide(str(error))[:200]}", begun=True)

    def _failure(self, error: Exception, *, begun: bool) -> RequestFailure:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL))
        return RequestFailure(self.hide(text), unsent=unsent, begun=begun)

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        accept: str,
        params: Params | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout | None = None,
    ) -> Iterator[httpx.Response]:
        request = self._http.build_request(
            method,
            self.url + path,
            # Some endpoints return their errors as text without it.
            headers={"Accept": f"{accept}, {PROBLEM}", **(headers or {})},
            params=params or None,
            content=body or None,
            timeout=timeout or self._timeout,
        )
        request.headers[ACTOR_HEADER] = self.actor
        follow = method == "GET"
        answer = self._http.send(request, auth=self._authorize, stream=True, follow_redirects=follow)
        try:
            yield answer
        finally:
            answer.close()

    def _whole(self, answer: httpx.Response) -> Response:
        after = answer.headers.get("Retry-After", "")
        seconds = float(after) if after.isdecimal() else 0.0
        body = answer.content
        if self.token and not answer.is_success:
            # a server or a proxy may echo the request in its error
            body = self.token.hide_bytes(body)
        return Response(answer.status_code, _media_type(answer), body, seconds)

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        # Jupyter and Geocube servers both accept Bearer.
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token.reveal()}"
        return request


class ByteStream:
    """File interface of a response stream."""

    closed = False

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer only at the end; with a negative size, all of them."""
        if size < 0:
            return b"".join([bytes(self._rest), *self._parts])
        if len(self._rest) >= size:
            return self._cut(size)
        taken = bytearray(self._rest)
        self._rest = memoryview(b"")
        for part in self._parts:
            missing = size - len(taken)
            taken += part[:missing]
            if len(part) >= missing:
                self._rest = memoryview(part)[missing:]
                break
        return bytes(taken)

    def _cut(self, size: int) -> bytes:
        taken, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return taken

    def close(self) -> None:
        self.closed = True


def unsupported(what: str, instead: str = "") -> NotSupported:
    """Return the error for a feature that a Geocube workflow server lacks."""
    text = f"This server is a Geocube workflow server, and {what}."
    return NotSupported(f"{text} {instead}" if instead else text)


def _media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _header_text(actor: str) -> str:
    return "".join(character for character in actor if character.isprintable()).strip()[:100]

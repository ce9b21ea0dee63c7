"""What every endpoint shares: who may call it, how it reads, writes and answers, and how errors look."""

from __future__ import annotations

import re
from asyncio import Future
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from functools import wraps
from typing import Any, ClassVar, TypeVar, cast

from jupyter_server.auth import Authorizer
from jupyter_server.auth.decorator import authorized
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.documents.strict_json import read_json
from workflow_monitor.domain.commands import Command
from workflow_monitor.domain.errors import FieldError, InvalidInput, WorkflowError, shorten_for_message
from workflow_monitor.domain.models import Page
from workflow_monitor.engine.queries import Queries
from workflow_monitor.server import problems, representations
from workflow_monitor.server.backend import Backend
from workflow_monitor.server.handlers.params import normalize_path, parse_non_negative, sanitize_actor
from workflow_monitor.server.handlers.proxy import forward
from workflow_monitor.server.peer import PeerIdentity
from workflow_monitor.server.representations import FRAMINGS, JSON, Representation
from workflow_monitor.server.upstream import UpstreamUnreachable
from workflow_monitor.server.worker_token import WORKER, allows_worker_token

T = TypeVar("T")
Verb = TypeVar("Verb", bound=Callable[..., Any])

NAMESPACE = "workflow-monitor"
_PEERS = PeerIdentity()
RESOURCE = "workflow_monitor"
#: Larger bodies are decoded beside the event loop.
SMALL_BODY = 8_192
#: So much of a list is put together before it is sent.
FLUSH_SIZE = 256 * 1024
VERBS = ("get", "head", "post", "put", "patch", "delete")


def requires_read(method: Verb) -> Verb:
    """A verb that whoever may read can call."""
    return _guarded(method, "read")


def requires_write(method: Verb) -> Verb:
    """A verb that whoever may write can call."""
    return _guarded(method, "write")


def allows_worker(method: Verb) -> Verb:
    """A verb that whoever may write can call, and who comes with the token of workers."""
    guarded = requires_write(method)
    guarded._for_workers = True  # type: ignore[attr-defined]  # noqa: SLF001 - the mark that the token looks for
    return guarded


def _guarded(method: Verb, action: str) -> Verb:
    guarded = web.authenticated(authorized(action=action, resource=RESOURCE)(_or_forward(method)))
    guarded._guarded_for = action  # type: ignore[attr-defined]  # noqa: SLF001 - the mark that Handler looks for
    return cast("Verb", guarded)


def _or_forward(method: Verb) -> Verb:
    """A verb that the server that has the store answers: this one, or the one behind it."""

    @wraps(method)
    async def answer(handler: Handler, *arguments: object, **named: object) -> None:
        handler.check_body()
        gone: UpstreamUnreachable | None = None
        for _ in range(2):
            upstream = await handler.backend.upstream_server() if handler.needs_store else None
            if upstream is None:
                await method(handler, *arguments, **named)
                return
            try:
                await forward(handler, upstream)
            except UpstreamUnreachable as error:
                gone = error
                # It may have left the store to this server, or to a third.
                await handler.backend.retry_open()
            else:
                return
        raise cast("UpstreamUnreachable", gone)

    return cast("Verb", answer)


@web.stream_request_body
class Handler(APIHandler):
    """An endpoint. Each verb of a subclass is marked `@reads`, `@writes` or `@works`; one without cannot be defined.

    Jupyter's rules hold: identity, authorization, XSRF and origins. The body is only read for those who may
    call at all, and up to `body_limit`.
    """

    #: methods of this endpoint
    verbs: ClassVar[tuple[str, ...]] = ()
    #: whether the request comes with the token of workers
    by_worker = False
    #: whether it answers from the store, wherever that is
    needs_store: ClassVar[bool] = True
    #: seconds without a word after which another server's answer is given up
    silence: ClassVar[float] = 600.0
    _track_activity = True

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        seen: set[object] = set()
        for verb in VERBS:
            method = cls.__dict__.get(verb)
            if method is None:
                continue
            allowed = {"read"} if verb in {"get", "head"} else {"write"}
            if getattr(method, "_guarded_for", None) not in allowed or method in seen:
                raise TypeError(f"{cls.__name__}.{verb} must be a method of its own marked for {allowed}")
            seen.add(method)
        cls.verbs = tuple(verb for verb in VERBS if hasattr(getattr(cls, verb), "_guarded_for"))

    def initialize(self, backend: Backend, **arguments: object) -> None:
        """Take what the list of routes says of this endpoint."""
        self.backend = backend
        self._body = bytearray()
        self._is_prepared = False
        self._misfit: WorkflowError | None = None
        for name, value in arguments.items():
            setattr(self, name, value)

    @property
    def body_limit(self) -> tuple[int, str]:
        """How many bytes the body may have, and the trait that says so."""
        return self.backend.limits.max_body, "max_body_mib"

    @property
    def content_security_policy(self) -> str:
        """Jupyter's policy for interfaces, which lets nothing run, and no reports."""
        return "default-src 'none'; frame-ancestors 'none'"

    # ---- before the request is carried out

    async def prepare(self) -> None:  # type: ignore[override]  # Tornado calls it without arguments
        """Refuse strangers before the body is read, and send odd paths to the clean ones."""
        self.by_worker = self.backend.workers.sent(self)
        await super().prepare()
        if self.request.method != "OPTIONS":
            self._admit()
        self._is_prepared = not self._finished

    def _admit(self) -> None:
        if not self.current_user:
            raise web.HTTPError(403)
        if self.by_worker and not allows_worker_token(getattr(self, (self.request.method or "").lower())):
            raise problems.NotForWorkers
        clean = normalize_path(self.below_prefix)
        if clean is not None:
            query = f"?{self.request.query}" if self.request.query else ""
            self.redirect(self.prefix + clean + query, permanent=True)
            return
        self._look_at_body()

    @property
    def identity_provider(self) -> IdentityProvider:
        """Who tells who asks: Jupyter's; or that of workers' token, or of this user's other servers, which have the store's key."""
        if self.by_worker:
            return self.backend.workers.identity
        if self.backend.accepts_peer_key(self.request.headers.get("Authorization", "")):
            return _PEERS
        return super().identity_provider

    @property
    def authorizer(self) -> Authorizer:
        """Who tells what may be done: Jupyter's, or that of the token of workers."""
        return self.backend.workers.authorizer if self.by_worker else super().authorizer

    def _look_at_body(self) -> None:
        length = self.request.headers.get("Content-Length", "0")
        if self.request.headers.get("Content-Encoding", "identity") != "identity":
            self._misfit = problems.EncodedBody()
        elif length.isdecimal() and int(length) > self.body_limit[0]:
            self._misfit = problems.BodyTooLarge(*self.body_limit)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body; what is too much is read and forgotten.

        If it were not read, the client would find its connection broken instead of the answer that says why.
        """
        if self._misfit is None and len(self._body) + len(chunk) > self.body_limit[0]:
            self._misfit = problems.BodyTooLarge(*self.body_limit)
        if self._misfit is None:
            self._body += chunk
        else:
            self._body.clear()

    @property
    def prefix(self) -> str:
        """The path under which all endpoints are."""
        return f"{self.base_url}{NAMESPACE}"

    @property
    def below_prefix(self) -> str:
        """The path of the request below the prefix, as it was sent."""
        return self.request.path[len(self.prefix) :]

    # ---- what the request says

    async def read_body(self, decode: Callable[[bytes], T]) -> T:
        """The decoded body; large ones are decoded in a thread."""
        body = self.body()
        if len(body) <= SMALL_BODY:
            return decode(body)
        return await self.backend.run(decode, body)

    def json(self, body: bytes) -> object:
        """The value of a JSON text. Raises InvalidInput."""
        return read_json(body, self.backend.limits.documents)

    def body(self) -> bytes:
        """The body as it was sent."""
        return bytes(self._body)

    def check_body(self) -> None:
        """Refuse a body that is too large or compressed. Raises BodyTooLarge, EncodedBody."""
        if self._misfit is not None:
            raise self._misfit

    @property
    def media_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def actor(self) -> str:
        """Who asks, for the events."""
        return self.actor_header or ("token" if self.token_authenticated else sanitize_actor(self.current_user.name))

    @property
    def actor_header(self) -> str:
        """The user that Jupyter knows, else who the client says that it is; empty if neither is told."""
        user = self.current_user
        declared = sanitize_actor(self.request.headers.get(ACTOR_HEADER, ""))
        if self.by_worker:
            return f"{WORKER} {declared}".strip()
        if not user.name.startswith("Anonymous "):
            return sanitize_actor(user.username)
        return declared

    def page(self) -> Page | None:
        """The part of a list that is asked for; what is no positive limit asks for all."""
        limit = parse_non_negative(self.str_arg("limit"))
        return Page(parse_non_negative(self.str_arg("page")), limit) if limit > 0 else None

    def str_arg(self, name: str) -> str | None:
        """A parameter of the query as it was sent."""
        return self.get_query_argument(name, None, strip=False)

    def int_arg(self, name: str, default: int, most: int, *, least: int = 0) -> int:
        """A parameter of the query that is a number within limits. Raises InvalidInput if it is none."""
        text = self.str_arg(name)
        if text is None:
            return default
        if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) and least <= int(text) <= most:
            return int(text)
        raise InvalidInput(
            f"{name} is no number from {least} to {most}.",
            [FieldError(name, f"found {shorten_for_message(text)}, expected a number from {least} to {most}")],
        )

    def bool_arg(self, name: str) -> bool:
        """A parameter of the query that is true or false. Raises InvalidInput if it is neither."""
        text = self.str_arg(name)
        if text not in {None, "true", "false"}:
            raise InvalidInput(
                f"{name} is neither true nor false.",
                [FieldError(name, f"found {shorten_for_message(text)}, expected true or false")],
            )
        return text == "true"

    def negotiate(self, *offers: Representation) -> Representation:
        """The form in which the client wants its answer."""
        self.set_header("Vary", "Accept")
        return representations.negotiate(self.request.headers.get("Accept", ""), self.str_arg("format"), offers)

    # ---- what is done

    async def queries(self) -> Queries:
        """What can be read."""
        return (await self.backend.engine()).queries

    async def submit(self, command: Command) -> Any:
        """The answer to a command, as soon as it is on disk."""
        return await self.backend.submit(command, self.actor)

    # ---- the answer

    def write_json(self, value: object) -> None:
        """Answer with a value as JSON."""
        self.write_text(representations.json_text(value), JSON)

    def write_text(self, text: str | bytes, media_type: str) -> None:
        """Answer with a text."""
        self.set_header("Content-Type", media_type)
        self.finish(text)

    def write_empty(self, status: int = 204) -> None:
        """Answer without a body."""
        self.set_status(status)
        self.clear_header("Content-Type")
        self.finish()

    async def write_list(self, chunks: Iterator[Sequence[str]], form: Representation) -> None:
        """Answer with the JSON texts of the chunks, as an array, as lines, or as a FeatureCollection."""
        framing = FRAMINGS[form]
        await self.write_parts(representations.framed(chunks, framing), framing.media_type)

    async def write_parts(self, parts: Iterator[bytes], media_type: str) -> None:
        """Answer with parts that are made in a thread, no faster than the client takes them."""
        self.set_header("Content-Type", media_type)
        try:
            await self.send_parts(self._made(parts))
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                await self.backend.run(close)

    async def _made(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (part := await self.backend.run(next, parts, None)) is not None:
            yield part

    async def send_parts(self, parts: AsyncIterable[bytes]) -> None:
        """Send parts as they come, some at once, and finish; a client that has gone is noted."""
        waiting = 0
        try:
            async for part in parts:
                self.write(part)
                waiting += len(part)
                if waiting >= FLUSH_SIZE:
                    await self.flush()
                    waiting = 0
            self.finish()
        except StreamClosedError:
            self.log.debug("%s: the client has gone", self.request.path)

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None, **_: object) -> Future[None]:
        """Finish the answer with the media type that it has been given, if it has a body."""
        self.update_api_activity()
        if chunk is None and not self._write_buffer and not self._headers_written:
            self.clear_header("Content-Type")
        if not self._headers_written and not self._is_prepared:
            # Tornado closes the connection then, as it has not read the body, if only one of no bytes; it does not
            # say so, and whoever keeps it loses the next request.
            self.set_header("Connection", "close")
        return super(APIHandler, self).finish(chunk)

    def abort(self) -> None:
        """Close the connection in the middle of the answer."""
        cast("HTTP1Connection", self.request.connection).stream.close()

    # ---- errors

    def send_error(self, status_code: int = 500, **arguments: Any) -> None:
        """Answer with a problem document; what was being streamed breaks off, so that nobody takes it for whole."""
        if self._headers_written:
            self.log.warning("%s: the answer breaks off", self.request.path)
            self.abort()
            return
        error = arguments.get("exc_info", (None, None))[1]
        super().send_error(error.status if isinstance(error, WorkflowError) else status_code, **arguments)

    def write_error(self, status_code: int, **arguments: Any) -> None:
        """Write the problem document of an error."""
        allowed = [verb.upper() for verb in self.verbs]
        error = problems.as_workflow_error(arguments.get("exc_info", (None, None))[1], status_code, allowed)
        if status_code == 405:
            self.set_header("Allow", ", ".join([*allowed, "OPTIONS"]))
        if error.status in {429, 503}:
            self.set_header("Retry-After", "5")
        self.set_status(error.status)
        self.set_header("Content-Type", problems.MEDIA_TYPE)
        self.finish(representations.json_text(problems.problem(error, f"{self.prefix}/docs")))

    def _request_summary(self) -> str:
        """How a request is named in the log: without its query, in which clients put tokens."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def log_exception(self, *exc_info: Any) -> None:
        """Log what should not have happened; what callers do wrong is told to them."""
        if not isinstance(exc_info[1], WorkflowError):
            super().log_exception(*exc_info)

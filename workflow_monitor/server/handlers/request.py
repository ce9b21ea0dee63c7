"""Request parsing: body, query parameters, actor, content negotiation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tornado import web

from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.documents.strict_json import read_json
from workflow_monitor.domain.errors import FieldError, InvalidInput, WorkflowError, shorten_for_message
from workflow_monitor.domain.models import Page
from workflow_monitor.server import negotiation, problems
from workflow_monitor.server.backend import Backend
from workflow_monitor.server.handlers.endpoint import Endpoint
from workflow_monitor.server.handlers.params import parse_non_negative, sanitize_actor
from workflow_monitor.server.negotiation import Representation
from workflow_monitor.server.worker_token import WORKER

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)

#: bytes; larger bodies are decoded in a thread
SMALL_BODY = 8_192
#: bytes; larger bodies are decoded in threads of their own
LARGE_BODY = 2**20


@web.stream_request_body
class RequestParsing(Endpoint):
    """Reads the body up to `body_limit`, and the parameters of the query."""

    def initialize(self, backend: Backend, **arguments: Any) -> None:
        """Start with an empty body."""
        super().initialize(backend, **arguments)
        self._body: bytearray | bytes = bytearray()
        self._body_error: WorkflowError | None = None
        #: bytes of the budget for all bodies
        self._reserved = 0

    async def _execute(self, *arguments: Any, **named: Any) -> None:
        # Tornado calls `on_finish` only for a response that was sent, not for a lost connection.
        try:
            await super()._execute(*arguments, **named)
        finally:
            self._body = b""
            self._reserve(0)

    def _reserve(self, size: int) -> bool:
        reserved = self.backend.bodies.resize(self._reserved, size)
        if reserved is not None:
            self._reserved = reserved
        return reserved is not None

    @property
    def body_limit(self) -> tuple[int, str]:
        """Maximum size of the body in bytes, and the trait that sets it."""
        return self.backend.limits.max_body, "max_body_mib"

    def check_body_headers(self) -> None:
        """Note a body that is announced as compressed or too large; `check_body` raises the error."""
        length = self.request.headers.get("Content-Length", "0")
        if self.request.headers.get("Content-Encoding", "identity") != "identity":
            self._body_error = problems.EncodedBody()
        elif length.isdecimal() and int(length) > self.body_limit[0]:
            self._body_error = problems.BodyTooLarge(*self.body_limit)

    def data_received(self, chunk: bytes) -> None:
        """Append a part of the body; discard the body beyond the limit.

        An unread body would break the connection before the client receives the error.
        """
        size = len(self._body) + len(chunk)
        if self._body_error is None and size > self.body_limit[0]:
            self._body_error = problems.BodyTooLarge(*self.body_limit)
        elif self._body_error is None and not self._reserve(size):
            self._body_error = problems.TooManyBodies(self.backend.bodies.limit)
        if self._body_error is None:
            self._body += chunk
        else:
            self._body = b""
            self._reserve(0)

    def check_body(self) -> None:
        """Raise BodyTooLarge, TooManyBodies or EncodedBody for a rejected body."""
        if self._body_error is not None:
            raise self._body_error

    def body(self) -> bytes:
        """Return the body unchanged."""
        if not isinstance(self._body, bytes):
            # Replaced, not copied, so that a large body is in memory once.
            self._body = bytes(self._body)
        return self._body

    async def read_body(self, decode: Callable[[bytes], T]) -> T:
        """Decode the body; large bodies are decoded in a thread."""
        body = self.body()
        if len(body) <= SMALL_BODY:
            return decode(body)
        run = self.backend.run if len(body) <= LARGE_BODY else self.backend.decode
        return await run(decode, body)

    def json(self, body: bytes) -> object:
        """Parse strict JSON. Raises InvalidInput."""
        return read_json(body, self.backend.limits.documents)

    @property
    def media_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def actor(self) -> str:
        """The actor to record in events."""
        return self.actor_header or ("token" if self.token_authenticated else sanitize_actor(self.current_user.name))

    @property
    def actor_header(self) -> str:
        """The user that Jupyter identifies, else the actor that the client declares; may be empty."""
        user = self.current_user
        declared = sanitize_actor(self.request.headers.get(ACTOR_HEADER, ""))
        if self.by_worker:
            return f"{WORKER} {declared}".strip()
        if not user.name.startswith("Anonymous "):
            return sanitize_actor(user.username)
        return declared

    def page(self) -> Page | None:
        """Return the page of a list from `page` and `limit`; None for all, also without a positive limit."""
        limit = parse_non_negative(self.str_arg("limit"))
        return Page(parse_non_negative(self.str_arg("page")), limit) if limit > 0 else None

    def str_arg(self, name: str) -> str | None:
        """Return a query parameter, None if it is absent."""
        return self.get_query_argument(name, None, strip=False)

    def int_arg(self, name: str, *, default: int, maximum: int, minimum: int = 0) -> int:
        """Return an integer query parameter. Raises InvalidInput unless it is from `minimum` to `maximum`."""
        text = self.str_arg(name)
        if text is None:
            return default
        if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) and minimum <= int(text) <= maximum:
            return int(text)
        raise InvalidInput(
            f"{name} is not an integer from {minimum} to {maximum}.",
            [FieldError(name, f"found {shorten_for_message(text)}, expected an integer from {minimum} to {maximum}")],
        )

    def choice_arg(self, name: str, choices: Sequence[Choice]) -> Choice:
        """Return a query parameter that is one of `choices`, the first by default. Raises InvalidInput for other texts."""
        text = self.str_arg(name)
        if text is None:
            return choices[0]
        for choice in choices:
            if text == choice:
                return choice
        expected = f"expected one of {', '.join(choices)}"
        raise InvalidInput(
            f"{name} is not valid; {expected}.", [FieldError(name, f"found {shorten_for_message(text)}, {expected}")]
        )

    def bool_arg(self, name: str) -> bool:
        """Return a query parameter that is `true` or `false`. Raises InvalidInput for other texts."""
        text = self.str_arg(name)
        if text not in {None, "true", "false"}:
            raise InvalidInput(
                f"{name} is neither true nor false.",
                [FieldError(name, f"found {shorten_for_message(text)}, expected true or false")],
            )
        return text == "true"

    def negotiate(self, *offers: Representation) -> Representation:
        """Return the offered representation that the client prefers, by `format` or by `Accept`."""
        self.set_header("Vary", "Accept")
        return negotiation.negotiate(self.request.headers.get("Accept", ""), self.str_arg("format"), offers)

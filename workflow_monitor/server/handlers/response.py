"""Response writing: documents, lists, streams of parts, problem documents."""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from typing import Any, cast

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.documents.media_types import JSON, PROBLEM, TEXT
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.server import problems, serialization
from workflow_monitor.server.handlers.endpoint import Endpoint
from workflow_monitor.server.negotiation import Representation, asks_for_json
from workflow_monitor.server.serialization import FRAMINGS

#: bytes of a list that are collected before they are sent
FLUSH_SIZE = 256 * 1024


class ResponseWriting(Endpoint):
    """Writes successful responses."""

    @property
    def content_security_policy(self) -> str:
        """Jupyter's policy for APIs, which blocks scripts, without its report URL."""
        return "default-src 'none'; frame-ancestors 'none'"

    def write_json(self, value: object) -> None:
        """Respond with a value as JSON."""
        self.write_text(serialization.json_text(value), JSON)

    def write_text(self, text: str | bytes, media_type: str) -> None:
        """Respond with a text of a media type."""
        self.set_header("Content-Type", media_type)
        self.finish(text)

    def write_empty(self, status: int = 204) -> None:
        """Respond without a body."""
        self.set_status(status)
        self.clear_header("Content-Type")
        self.finish()

    async def write_list(self, chunks: Iterator[Sequence[str]], form: Representation) -> None:
        """Respond with JSON texts as an array, as lines, or as a FeatureCollection."""
        framing = FRAMINGS[form]
        await self.write_parts(serialization.framed(chunks, framing), framing.media_type)

    async def write_parts(self, parts: Iterator[bytes], media_type: str) -> None:
        """Respond with parts that are produced in a thread, at the speed at which the client reads."""
        self.set_header("Content-Type", media_type)
        try:
            await self.send_parts(self._produced(parts))
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                await self.backend.run(close)

    async def _produced(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (part := await self.backend.run(next, parts, None)) is not None:
            yield part

    async def send_parts(self, parts: AsyncIterable[bytes]) -> None:
        """Send parts in groups of FLUSH_SIZE and finish; log a client that has disconnected."""
        pending = 0
        try:
            async for part in parts:
                self.write(part)
                pending += len(part)
                if pending >= FLUSH_SIZE:
                    await self.flush()
                    pending = 0
            self.finish()
        except StreamClosedError:
            self.log.debug("client_disconnected path=%s", self.request.path)

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None, **_: object) -> Future[None]:
        """Finish the response; keep the media type that was set, and remove it from an empty response."""
        self.update_api_activity()
        if chunk is None and not self._write_buffer and not self._headers_written:
            self.clear_header("Content-Type")
        if not self._headers_written and not self.is_prepared:
            # Tornado closes the connection of an unread body without the header; a client that keeps the
            # connection would lose its next request.
            self.set_header("Connection", "close")
        # Not APIHandler.finish, which sets the media type to JSON.
        return super(APIHandler, self).finish(chunk)

    def abort(self) -> None:
        """Close the connection during the response."""
        cast("HTTP1Connection", self.request.connection).stream.close()


class ErrorResponses(ResponseWriting):
    """Writes problem documents and logs unexpected errors."""

    def send_error(self, status_code: int = 500, **arguments: Any) -> None:
        """Respond with a problem document; abort a response that has begun, so that it is not taken for complete."""
        if self._headers_written:
            self.log.warning("response_aborted path=%s", self.request.path)
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
        self._restore_cors_headers()
        self.set_status(error.status)
        if self.is_geocube_request:
            self.set_header("Vary", "Accept")
            if not asks_for_json(self.request.headers.get("Accept", "")):
                self.write_text(problems.problem_text(error), TEXT)
                return
        self.write_text(serialization.json_text(problems.problem(error, f"{self.prefix}/docs")), PROBLEM)

    def _restore_cors_headers(self) -> None:
        """Set the headers of Jupyter's `prepare` again, which Tornado clears before an error.

        Without them, a page of another origin cannot read the error.
        """
        # A request may be rejected before its user is identified, on which only Jupyter's default depends.
        if hasattr(self, "_jupyter_current_user") or self.allow_origin or self.allow_origin_pat:
            self.set_cors_headers()

    @allow_unauthenticated
    def options(self, *arguments: object, **named: object) -> None:
        """Permit a page of another origin to send the headers of this interface, too."""
        super().options(*arguments, **named)
        permitted = self._headers["Access-Control-Allow-Headers"]
        self.set_header("Access-Control-Allow-Headers", f"{permitted}, {ACTOR_HEADER}, Last-Event-ID".lower())

    def _request_summary(self) -> str:
        # Without the query, which may hold a token.
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def log_exception(self, *exc_info: Any) -> None:
        """Log unexpected errors; errors of the caller appear in the response only."""
        if isinstance(exc_info[1], web.HTTPError):
            super().log_exception(*exc_info)
        elif not isinstance(exc_info[1], WorkflowError):
            # not by Tornado, which logs the URL
            self.log.error("request_failed request=%s", self._request_summary(), exc_info=exc_info)

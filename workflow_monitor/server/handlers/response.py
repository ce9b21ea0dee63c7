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
from workflow_monitor.documents.media_types import EVENTS, JSON, PROBLEM, TEXT
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.server import problems, serialization
from workflow_monitor.server.compression import MIN_LENGTH, GzipStream, accepts_gzip, gzipped
from workflow_monitor.server.handlers.endpoint import Endpoint
from workflow_monitor.server.negotiation import Representation, asks_for_json
from workflow_monitor.server.serialization import FRAMINGS

#: bytes of a list that are collected before they are sent
FLUSH_SIZE = 256 * 1024
#: bytes; larger bodies are compressed in a thread
SMALL_BODY = 32 * 1024


class ResponseWriting(Endpoint):
    """Writes successful responses, compressed if the client accepts gzip; those of HEAD have the headers of GET."""

    #: ETag of the body before its compression
    _etag: str | None = None

    @property
    def content_security_policy(self) -> str:
        """Jupyter's policy for APIs, which blocks scripts, without its report URL."""
        return "default-src 'none'; frame-ancestors 'none'"

    def write_json(self, value: object) -> None:
        """Respond with a value as JSON."""
        self.write_text(serialization.json_text(value), JSON)

    def write_text(self, text: str | bytes, media_type: str) -> None:
        """Respond with a text of a media type, which `complete` sends."""
        self.set_header("Content-Type", media_type)
        self.write(text)

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
        pending: list[bytes] = []
        size = 0
        stream: GzipStream | None = None
        try:
            async for part in parts:
                pending.append(part)
                size += len(part)
                if size < FLUSH_SIZE:
                    continue
                stream = stream or self._start_stream()
                if self.request.method == "HEAD":
                    await self.finish_head()
                    return
                group = b"".join(pending)
                self.write(await self.backend.run(stream.compress, group) if stream else group)
                await self.flush()
                pending, size = [], 0
            rest = b"".join(pending)
            if stream:
                rest = await self.backend.run(stream.finish, rest)
            if rest:
                self.write(rest)
            await self.complete()
        except StreamClosedError:
            self.log.debug("client_disconnected path=%s", self.request.path)

    async def finish_head(self) -> None:
        """Finish the response of HEAD for a body of unknown length."""
        await self.flush()
        self.finish()

    async def complete(self) -> None:
        """Finish the response, unless it is finished; compress a large body in a thread."""
        if self._finished:
            return
        body = b"".join(self._write_buffer)
        if not self._headers_written and len(body) > SMALL_BODY and self._negotiate_encoding():
            self._replace_body(await self.backend.run(gzipped, body))
        self.finish()

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None, **_: object) -> Future[None]:
        """Finish the response; keep the media type that was set, and remove it from an empty response."""
        self.update_api_activity()
        if chunk is not None:
            self.write(chunk)
        if not self._headers_written:
            body = b"".join(self._write_buffer)
            if not body and chunk is None:
                self.clear_header("Content-Type")
            elif self._negotiate_encoding() and len(body) >= MIN_LENGTH:
                self._replace_body(gzipped(body))
        if not self._headers_written and not self.is_prepared:
            # Tornado closes the connection of an unread body without the header; a client that keeps the
            # connection would lose its next request.
            self.set_header("Connection", "close")
        # Not APIHandler.finish, which sets the media type to JSON.
        return super(APIHandler, self).finish()

    def _start_stream(self) -> GzipStream | None:
        """Begin the compression of a body in parts; return None if the body is sent as it is."""
        if self._headers_written or not self._negotiate_encoding():
            return None
        self.set_header("Content-Encoding", "gzip")
        return GzipStream()

    def _negotiate_encoding(self) -> bool:
        """Return True if the body is to be compressed, and name Accept-Encoding in the header Vary.

        Event streams are never compressed: a proxy or a browser could wait for the end of a block.
        """
        media_type = self._headers.get("Content-Type", "")
        if media_type in {"", EVENTS} or "Content-Encoding" in self._headers:
            return False
        vary = self._headers.get("Vary", "")
        if "accept-encoding" not in vary.lower():
            self.set_header("Vary", f"{vary}, Accept-Encoding" if vary else "Accept-Encoding")
        return accepts_gzip(self.request.headers.get("Accept-Encoding", ""))

    def _replace_body(self, compressed: bytes) -> None:
        self._etag = self.compute_etag()
        self._write_buffer = [compressed]
        self.set_header("Content-Encoding", "gzip")

    def compute_etag(self) -> str | None:
        """Return a weak ETag: the compressed and the plain body have the same."""
        return self._etag or f"W/{super().compute_etag()}"

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
        """Write the problem document of an error, or its text for a client of the Geocube's interface."""
        allowed = self._allowed()
        error = problems.as_workflow_error(arguments.get("exc_info", (None, None))[1], status_code, allowed)
        self.set_error_headers(error.status)
        if self.is_geocube_request:
            self.set_header("Vary", "Accept")
            if not asks_for_json(self.request.headers.get("Accept", "")):
                self._finish_error(problems.problem_text(error), TEXT)
                return
        self._finish_error(serialization.json_text(problems.problem(error, f"{self.prefix}/docs")), PROBLEM)

    def set_error_headers(self, status: int) -> None:
        """Set the status of an error with its headers, and restore the CORS headers.

        Tornado clears the headers of Jupyter's `prepare` before an error, which a page of another origin then cannot read.
        """
        # A request may be rejected before its user is identified, on which only Jupyter's default depends.
        if hasattr(self, "_jupyter_current_user") or self.allow_origin or self.allow_origin_pat:
            self.set_cors_headers()
        self.set_status(status)
        if status == 405:
            self.set_header("Allow", ", ".join([*self._allowed(), "OPTIONS"]))
        if status in {429, 503}:
            self.set_header("Retry-After", "5")

    def _allowed(self) -> list[str]:
        return [name for verb in self.verbs for name in (("GET", "HEAD") if verb == "get" else (verb.upper(),))]

    @allow_unauthenticated
    def options(self, *arguments: object, **named: object) -> None:
        """Permit a page of another origin to send the headers of this interface, too."""
        super().options(*arguments, **named)
        permitted = self._headers["Access-Control-Allow-Headers"]
        self.set_header("Access-Control-Allow-Headers", f"{permitted}, {ACTOR_HEADER}, Last-Event-ID".lower())

    def _finish_error(self, text: str, media_type: str) -> None:
        self.set_header("Content-Type", media_type)
        self.finish(text)

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

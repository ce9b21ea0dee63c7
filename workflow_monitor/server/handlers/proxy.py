"""Forwarding of requests to the upstream workflow server, and streaming of its responses.

Authentication and authorization precede it, as for any endpoint. The forwarded request names the actor, but carries
neither cookies nor tokens of the client.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from urllib.parse import unquote_plus

import httpx
from tornado.iostream import StreamClosedError

from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.documents.media_types import EVENTS, PROBLEM
from workflow_monitor.server import serialization
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.upstream import Upstream, UpstreamDenied, UpstreamLoop, UpstreamUnknown

#: forwarded headers of requests and of responses
REQUEST_HEADERS = ("Accept", "Content-Type", "Last-Event-ID")
RESPONSE_HEADERS = ("Content-Type", "Cache-Control", "X-Accel-Buffering", "Vary", "Retry-After", "Allow")
#: statuses with which a gateway reports a lost response; a write may have taken effect
_UNCERTAIN = {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}


async def forward(handler: Handler, upstream: Upstream) -> None:
    """Forward the request and write the upstream response.

    Raises UpstreamUnreachable if the request has had no effect and no part of the response has been written.
    """
    # The headers of HEAD depend on the body of GET.
    method, body = str(handler.request.method).replace("HEAD", "GET"), handler.body()
    async with upstream.send(
        method, _path(handler), _headers(handler, upstream), body, handler.upstream_read_timeout
    ) as response:
        _check(response, method, upstream)
        handler.set_status(response.status_code)
        for name in RESPONSE_HEADERS:
            if name in response.headers:
                handler.set_header(name, response.headers[name])
        media_type = _media_type(response)
        if media_type == PROBLEM:
            _write_problem(handler, await response.aread(), upstream)
        elif response.is_error:
            # an error of the upstream server may echo the request with its token
            handler.finish(upstream.hide_bytes(await response.aread()))
        elif media_type == EVENTS:
            await _stream_events(handler, response)
        else:
            await handler.send_parts(response.aiter_bytes())


def _path(handler: Handler) -> str:
    """Return the path below the prefix and the query, both still encoded, without the client's token."""
    query = "&".join(part for part in handler.request.query.split("&") if _name(part) != "token")
    return handler.below_prefix + (f"?{query}" if query else "")


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])


def _headers(handler: Handler, upstream: Upstream) -> dict[bytes, bytes]:
    headers = handler.request.headers
    own_via = f"1.1 workflow-monitor-{handler.backend.instance}"
    via = headers.get("Via", "")
    if own_via in via:
        raise UpstreamLoop(
            f"This server forwards requests to {upstream.url}, which forwards them back. Correct `upstream` of one of them."
        )
    forwarded = {name: headers[name] for name in REQUEST_HEADERS if name in headers}
    forwarded["Via"] = f"{via}, {own_via}" if via else own_via
    actor = handler.actor_header or upstream.stands_for or handler.actor
    encoded = {name.encode(): value.encode("latin-1") for name, value in forwarded.items()}
    # The actor is UTF-8, other headers are Latin-1.
    return encoded | {ACTOR_HEADER.encode(): actor.encode()}


def _check(response: httpx.Response, method: str, upstream: Upstream) -> None:
    """Raise the errors of the connection to the upstream server; other responses go to the client."""
    status = response.status_code
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise UpstreamDenied(
            f"The workflow server at {upstream.url} returned {status}: it rejects the token of this server (upstream_token), "
            "or the token does not permit this request."
        )
    is_page = _media_type(response) == "text/html"
    if is_page and status in _UNCERTAIN and method not in {"GET", "HEAD"}:
        raise upstream.lost(f"a gateway returned {status}")
    if is_page and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise upstream.unreachable(f"a gateway returned {status}")
    if is_page or 300 <= status < 400:
        raise UpstreamUnknown(
            f"This server forwards requests to {upstream.url}, where no workflow server responds ({status}). "
            "Correct the address (upstream)."
        )


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _write_problem(handler: Handler, body: bytes, upstream: Upstream) -> None:
    """Write a problem document without the token; its type points to the documentation of this server."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        handler.finish(upstream.hide_bytes(body))
        return
    if "code" in document:
        document["type"] = f"{handler.prefix}/docs#{document['code']}"
    # after decoding: JSON can escape any character of the token
    handler.finish(upstream.hide(serialization.json_text(document)))


async def _stream_events(handler: Handler, response: httpx.Response) -> None:
    if handler.request.method == "HEAD":
        await handler.finish_head()
        return
    with handler.backend.streaming():
        try:
            async for part in response.aiter_bytes():
                handler.write(part)
                async with asyncio.timeout(handler.backend.limits.slow_reader):
                    await handler.flush()
        except (StreamClosedError, TimeoutError):
            handler.log.debug("stream_aborted path=%s reason=client_gone_or_slow", handler.request.path)
            handler.abort()
            return
        handler.finish()

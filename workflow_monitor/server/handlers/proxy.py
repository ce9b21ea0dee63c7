"""Passing a request on to the workflow server that has the store, and its answer back as it comes.

Who may ask what has been checked before, as for any endpoint: neither cookies nor tokens of the client are passed on,
but who it is.
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
from workflow_monitor.server import representations
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.upstream import Upstream, UpstreamDenied, UpstreamLoop, UpstreamUnknown

#: headers of requests that go on, and of answers that come back
REQUEST_HEADERS = ("Accept", "Content-Type", "Last-Event-ID")
RESPONSE_HEADERS = ("Content-Type", "Cache-Control", "X-Accel-Buffering", "Vary", "Retry-After", "Allow")
#: what gateways answer when the server behind them may have done something, or has done nothing
_UNCERTAIN = {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}


async def forward(handler: Handler, upstream: Upstream) -> None:
    """Answer with what the other server answers.

    Raises UpstreamUnreachable if nothing was done there, and before anything was answered here.
    """
    method, body = str(handler.request.method), handler.body()
    async with upstream.ask(
        method, _path(handler), _headers(handler, upstream), body, handler.upstream_read_timeout
    ) as answer:
        _check(answer, method, upstream)
        handler.set_status(answer.status_code)
        for name in RESPONSE_HEADERS:
            if name in answer.headers:
                handler.set_header(name, answer.headers[name])
        media_type = _media_type(answer)
        if media_type == PROBLEM:
            _answer_problem(handler, await answer.aread())
        elif media_type == EVENTS:
            await _stream_events(handler, answer)
        else:
            await handler.send_parts(answer.aiter_bytes())


def _path(handler: Handler) -> str:
    """The path and the query below the prefix, as they were sent, but for the client's token."""
    query = "&".join(part for part in handler.request.query.split("&") if _name(part) != "token")
    return handler.below_prefix + (f"?{query}" if query else "")


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0])


def _headers(handler: Handler, upstream: Upstream) -> dict[bytes, bytes]:
    asked = handler.request.headers
    me = f"1.1 workflow-monitor-{handler.backend.instance}"
    via = asked.get("Via", "")
    if me in via:
        raise UpstreamLoop(f"This server passes requests on to {upstream.url}, which passes them back to this one.")
    passed = {name: asked[name] for name in REQUEST_HEADERS if name in asked} | {"Via": f"{via}, {me}" if via else me}
    found = {name.encode(): value.encode("latin-1") for name, value in passed.items()}
    who = handler.actor_header or upstream.stands_for or handler.actor
    # Headers are bytes; names of people are UTF-8.
    return found | {ACTOR_HEADER.encode(): who.encode()}


def _check(answer: httpx.Response, method: str, upstream: Upstream) -> None:
    """Raise what is between the two servers and no answer to the client."""
    status = answer.status_code
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise UpstreamDenied(
            f"The workflow server at {upstream.url} answered {status}: it does not accept the token that this server "
            "has for it (upstream_token), or does not let its holder do this."
        )
    is_page = _media_type(answer) == "text/html"
    if is_page and status in _UNCERTAIN and method not in {"GET", "HEAD"}:
        raise upstream.lost(f"a gateway answered {status}")
    if is_page and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise upstream.unreachable(f"a gateway answered {status}")
    if is_page or 300 <= status < 400:
        raise UpstreamUnknown(
            f"Something else than a workflow server answers at {upstream.url} ({status}), to which this server passes "
            "requests on. Correct the address (upstream), or look what is there."
        )


def _media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _answer_problem(handler: Handler, body: bytes) -> None:
    """A problem document, whose type leads to the documentation here."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        handler.finish(body)
        return
    if "code" in document:
        document["type"] = f"{handler.prefix}/docs#{document['code']}"
    handler.finish(representations.json_text(document))


async def _stream_events(handler: Handler, answer: httpx.Response) -> None:
    with handler.backend.streaming():
        try:
            async for part in answer.aiter_bytes():
                handler.write(part)
                async with asyncio.timeout(handler.backend.limits.slow_reader):
                    await handler.flush()
        except (StreamClosedError, TimeoutError):
            handler.log.debug("%s: the client has gone, or reads too slowly", handler.request.path)
            handler.abort()
            return
        handler.finish()

"""Decorators of the verbs of endpoints: authorization, and forwarding to the owner of the store."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from tornado import web

from workflow_monitor.server.handlers.access import OPEN
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.proxy import forward
from workflow_monitor.server.upstream import UpstreamUnreachable

Verb = TypeVar("Verb", bound=Callable[..., Any])

RESOURCE = "workflow_monitor"
#: a request is repeated once, because the unreachable owner may have released the store
ATTEMPTS = 2


def requires_read(method: Verb) -> Verb:
    """Restrict a verb to users with the action `read`."""
    return _guarded(method, "read")


def requires_write(method: Verb) -> Verb:
    """Restrict a verb to users with the action `write`."""
    return _guarded(method, "write")


def allows_worker(method: Verb) -> Verb:
    """Restrict a verb to users with the action `write` and to bearers of the worker token."""
    guarded = requires_write(method)
    guarded._for_workers = True  # type: ignore[attr-defined]  # noqa: SLF001 - read by allows_worker_token
    return guarded


def allows_anyone(method: Verb) -> Verb:
    """Open a verb to callers without a token or login; its responses must contain no data."""
    guarded = allow_unauthenticated(method)
    guarded._guarded_for = OPEN  # type: ignore[attr-defined]  # noqa: SLF001 - read by Handler and AccessControl
    return guarded


def _guarded(method: Verb, action: str) -> Verb:
    guarded = web.authenticated(authorized(action=action, resource=RESOURCE)(_or_forward(method)))
    guarded._guarded_for = action  # type: ignore[attr-defined]  # noqa: SLF001 - read by Handler
    return cast("Verb", guarded)


def _or_forward(method: Verb) -> Verb:
    @wraps(method)
    async def run_or_forward(handler: Handler, *arguments: object, **named: object) -> None:
        handler.check_body()
        unreachable: UpstreamUnreachable | None = None
        for _ in range(ATTEMPTS):
            upstream = await handler.backend.upstream_server() if handler.needs_store else None
            if upstream is None:
                await method(handler, *arguments, **named)
                await handler.complete()
                return
            try:
                await forward(handler, upstream)
            except UpstreamUnreachable as error:
                unreachable = error
                await handler.backend.retry_open()
            else:
                return
        raise cast("UpstreamUnreachable", unreachable)

    return cast("Verb", run_or_forward)

"""Base class of all endpoints."""

from __future__ import annotations

from typing import Any, ClassVar

from workflow_monitor.connection.addresses import NAMESPACE as NAMESPACE  # noqa: PLC0414 - the prefix of all endpoints
from workflow_monitor.domain.commands import Command
from workflow_monitor.engine.queries import Queries
from workflow_monitor.server.handlers.access import OPEN, AccessControl
from workflow_monitor.server.handlers.response import ErrorResponses

VERBS = ("get", "post", "put", "patch", "delete")


class Handler(AccessControl, ErrorResponses):
    """An endpoint whose verbs are marked `@requires_read`, `@requires_write`, `@allows_worker` or `@allows_anyone`.

    A subclass with an unmarked verb cannot be defined. Jupyter's identity, authorization, XSRF and origin checks apply. A
    handler of GET handles HEAD as well.
    """

    #: True if the response depends on the store, which another server may own
    needs_store: ClassVar[bool] = True
    #: seconds of silence after which a forwarded request fails
    upstream_read_timeout: ClassVar[float] = 600.0
    _track_activity = True

    def __init_subclass__(cls, **arguments: object) -> None:
        super().__init_subclass__(**arguments)
        seen: set[object] = set()
        for verb in VERBS:
            method = cls.__dict__.get(verb)
            if method is None:
                continue
            allowed = {"read", OPEN} if verb == "get" else {"write"}
            if getattr(method, "_guarded_for", None) not in allowed or method in seen:
                raise TypeError(f"{cls.__name__}.{verb} must be a method of its own marked for {allowed}")
            seen.add(method)
            if verb == "get":
                # Tornado omits the body of the response.
                cls.head = method
        cls.verbs = tuple(verb for verb in VERBS if hasattr(getattr(cls, verb), "_guarded_for"))

    async def queries(self) -> Queries:
        """Return the read interface of the engine. Raises StoreUnavailable."""
        return (await self.backend.engine()).queries

    async def submit(self, command: Command) -> Any:
        """Submit a command as the actor of the request and return its result once it is on disk."""
        return await self.backend.submit(command, self.actor)

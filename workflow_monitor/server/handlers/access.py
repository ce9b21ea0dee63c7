"""Admission of requests: identity, authorization, clean paths."""

from __future__ import annotations

from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import IdentityProvider
from tornado import web

from workflow_monitor.server import problems
from workflow_monitor.server.handlers.params import normalize_path
from workflow_monitor.server.handlers.request import RequestParsing
from workflow_monitor.server.peer import PeerIdentity
from workflow_monitor.server.worker_token import allows_worker_token

#: mark of a verb without access control; see `guards.allows_anyone`
OPEN = "open"
_PEER_IDENTITY = PeerIdentity()


class AccessControl(RequestParsing):
    """Rejects unauthenticated requests before their body is read, and redirects to normalized paths."""

    async def prepare(self) -> None:  # type: ignore[override]  # Tornado calls it without arguments
        """Authenticate the request, then check its path and the headers of its body."""
        self.by_worker = self.backend.workers.sent(self)
        await super().prepare()
        if self.request.method != "OPTIONS":
            self._admit()
        self.is_prepared = not self._finished

    def _admit(self) -> None:
        method = getattr(self, (self.request.method or "").lower())
        if getattr(method, "_guarded_for", "") != OPEN:
            if not self.current_user:
                raise web.HTTPError(403)
            if self.by_worker and not allows_worker_token(method):
                raise problems.NotForWorkers
        clean = normalize_path(self.below_prefix)
        if clean is not None:
            query = f"?{self.request.query}" if self.request.query else ""
            self.redirect(self.prefix + clean + query, permanent=True)
            return
        self.check_body_headers()

    @property
    def identity_provider(self) -> IdentityProvider:
        """The identity provider of the worker token, of a peer with the store's key, or of Jupyter."""
        if self.by_worker:
            return self.backend.workers.identity
        if self.backend.accepts_peer_key(self.request.headers.get("Authorization", "")):
            return _PEER_IDENTITY
        return super().identity_provider

    @property
    def authorizer(self) -> Authorizer:
        """The authorizer of the worker token, or of Jupyter."""
        return self.backend.workers.authorizer if self.by_worker else super().authorizer

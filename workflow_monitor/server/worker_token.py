"""The worker token: it permits leasing jobs, renewing leases and reporting results only."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

if TYPE_CHECKING:
    from collections.abc import Callable

#: minimum length of the worker token, in characters
SHORTEST = 16
#: user name of requests with the worker token
WORKER = "worker"


def allows_worker_token(method: Callable[..., object]) -> bool:
    """Return True if a verb of an endpoint accepts the worker token."""
    return getattr(method, "_for_workers", False)


def validate_token(token: str) -> str | None:
    """Return the fault of a worker token, without quoting the token; None if it is valid or empty (not configured).

    >>> validate_token("secret")
    'has 6 characters; expected at least 16'
    """
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        return "has invalid characters; expected printable ASCII characters without spaces"
    return f"has {len(token)} characters; expected at least {SHORTEST}" if len(token) < SHORTEST else None


class WorkerTokenAuth:
    """Identity and authorization of requests with the worker token.

    The token is accepted in the header `Authorization` only, because URLs appear in logs.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self.identity: IdentityProvider = _Identity()
        self.authorizer: Authorizer = _Authorizer(identity_provider=self.identity)

    def __repr__(self) -> str:
        return f"WorkerTokenAuth({'with' if self._token else 'without'} a token)"

    def sent(self, handler: JupyterHandler) -> bool:
        """Return True if a request carries the worker token."""
        header = IdentityProvider.auth_header_pat.match(handler.request.headers.get("Authorization", ""))
        token = header[2].strip().encode() if header else b""
        return bool(self._token) and hmac.compare_digest(token, self._token)


class _Identity(IdentityProvider):
    """Replaces Jupyter's identity provider for requests with the worker token; ignores cookies and other tokens."""

    async def get_user(self, handler: web.RequestHandler) -> User:
        """Return the worker."""
        # JupyterHub skips its XSRF check for requests with this attribute of Jupyter.
        handler._token_authenticated = True  # type: ignore[attr-defined]  # noqa: SLF001
        return User(username=WORKER, name=WORKER)

    def is_token_authenticated(self, handler: web.RequestHandler) -> bool:
        return True


class _Authorizer(Authorizer):
    """Replaces Jupyter's authorizer for requests with the worker token; permits verbs that accept the token."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        return allows_worker_token(getattr(handler, (handler.request.method or "").lower(), None) or _nothing)


def _nothing() -> None: ...

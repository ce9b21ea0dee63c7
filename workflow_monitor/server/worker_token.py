"""The token of workers: it opens what workers do, and nothing else."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

if TYPE_CHECKING:
    from collections.abc import Callable

#: how short the token of workers may be
SHORTEST = 16
#: as whom Jupyter knows the bearer of the token
WORKER = "worker"


def allows_worker_token(method: Callable[..., object]) -> bool:
    """Whether a verb of an endpoint is open to the token of workers."""
    return getattr(method, "_for_workers", False)


def validate_token(token: str) -> str | None:
    """Why a text cannot be the token of workers, without the text; None if it can, or is empty: there is none then.

    >>> validate_token("secret")
    'has 6 characters; expected at least 16'
    """
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        return "has characters that no token has; expected letters, digits and signs of ASCII"
    return f"has {len(token)} characters; expected at least {SHORTEST}" if len(token) < SHORTEST else None


class WorkerTokenAuth:
    """Who bears the token of workers, and what such a request may do.

    The token counts in the header `Authorization` only: addresses end up in logs.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self.identity: IdentityProvider = _Identity()
        self.authorizer: Authorizer = _Authorizer(identity_provider=self.identity)

    def __repr__(self) -> str:
        return f"Workers({'with' if self._token else 'without'} a token)"

    def sent(self, handler: JupyterHandler) -> bool:
        """Whether a request comes with the token."""
        header = IdentityProvider.auth_header_pat.match(handler.request.headers.get("Authorization", ""))
        given = header[2].strip().encode() if header else b""
        return bool(self._token) and hmac.compare_digest(given, self._token)


class _Identity(IdentityProvider):
    """In place of Jupyter's for a request that comes with the token: neither cookies nor other tokens matter."""

    async def get_user(self, handler: web.RequestHandler) -> User:
        """The worker. It is marked as Jupyter does it, which is where JupyterHub looks before it asks for XSRF cookies."""
        handler._token_authenticated = True  # type: ignore[attr-defined]  # noqa: SLF001
        return User(username=WORKER, name=WORKER)

    def is_token_authenticated(self, handler: web.RequestHandler) -> bool:
        return True


class _Authorizer(Authorizer):
    """In place of Jupyter's for a request that comes with the token: what workers do, whatever others may."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        return allows_worker_token(getattr(handler, (handler.request.method or "").lower(), None) or _nothing)


def _nothing() -> None: ...

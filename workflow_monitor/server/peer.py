"""Jupyter servers of one user that want the same store: the one that has it answers for the others.

It tells them its address and a key by the store's lock file, which is the user's alone. Whoever reads the key could
read the store itself; it is made anew with every server, so that it is worth nothing when that has gone.
"""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from jupyter_server.auth.identity import IdentityProvider, User

from workflow_monitor.connection.secret import Secret
from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.server.upstream import Upstream

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp
    from tornado import web

SCHEME = "Peer"
_ANY = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - what is told of a server, not what is listened at


@dataclass(frozen=True, slots=True)
class PeerEndpoint:
    """Where the endpoints of the server are that has the store, and what opens them to others of its user."""

    url: str
    key: Secret

    @classmethod
    def at(cls, url: str) -> Self:
        """A contact with a new key."""
        return cls(url, Secret(secrets.token_urlsafe(32)))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The contact that a server told; None if it told none that is understood."""
        try:
            told = json.loads(text)
            return cls(str(told["url"]), Secret(str(told["key"])))
        except (ValueError, KeyError, TypeError):
            return None

    def text(self) -> str:
        """What others are told; it is secret."""
        return json.dumps({"url": self.url, "key": self.key.reveal()})

    def opens(self, authorization: str) -> bool:
        """Whether a header Authorization has the key."""
        mine = f"{SCHEME} {self.key.reveal()}"
        return hmac.compare_digest(mine.encode(), authorization.encode("utf-8", "surrogateescape"))

    def upstream(self) -> Upstream:
        """The server, to be asked. It is on this machine, where certificates have other names."""
        return Upstream(self.url, SCHEME, self.key, verify=False)


class PeerIdentity(IdentityProvider):
    """Another Jupyter server of the same user. It has checked who asks, and says who that is."""

    def get_user(self, handler: web.RequestHandler) -> User:
        # As Jupyter does it, which is where JupyterHub looks before it asks for XSRF cookies.
        handler._token_authenticated = True  # type: ignore[attr-defined]  # noqa: SLF001
        return User(username=handler.request.headers.get(ACTOR_HEADER, "") or "token")

    def is_token_authenticated(self, handler: web.RequestHandler) -> bool:  # noqa: ARG002 - as Jupyter has it
        """True: a browser cannot be led to send the key."""
        return True


def address(server: ServerApp) -> str:
    """The base URL of a server, as programs on this machine reach it; empty if it does not listen at a port."""
    if server.sock:
        return ""
    host = server.ip
    if host in _ANY:
        host = "::1" if ":" in host else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if server.certfile else 'http'}://{host}:{server.port}{server.base_url}"

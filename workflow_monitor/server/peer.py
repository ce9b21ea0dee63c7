"""Jupyter servers of one user that share a store: its owner handles the requests of the others.

The owner writes its address and a key into the store's lock file, which only the user can read. The key gives no access
beyond that of the store file itself. Every server generates a new key, so an old key is useless once its server has ended.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from jupyter_server.auth.identity import IdentityProvider, User

from workflow_monitor.connection.errors import MonitorError
from workflow_monitor.connection.secret import Secret
from workflow_monitor.documents.headers import ACTOR_HEADER
from workflow_monitor.domain.errors import shorten_for_message
from workflow_monitor.server.upstream import Upstream
from workflow_monitor.trust import is_this_host

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp
    from tornado import web

SCHEME = "Peer"
_ANY = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - compared with a configured address, not bound


class ForeignAddress(ValueError):
    """The address in a lock file is not one of this machine; the message is for users."""


@dataclass(frozen=True, slots=True)
class PeerEndpoint:
    """URL of the endpoints of the store's owner, and the key with which other servers of the user call them."""

    url: str
    key: Secret

    @classmethod
    def at(cls, url: str) -> Self:
        """Return an endpoint with a new key."""
        return cls(url, Secret(secrets.token_urlsafe(32)))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Parse the text of a lock file; None if it is no endpoint. Raise ForeignAddress for another machine."""
        try:
            fields = json.loads(text)
            url, key = str(fields["url"]), Secret(str(fields["key"]))
            parts = urlsplit(url)
        except (ValueError, KeyError, TypeError, MonitorError):
            return None
        if parts.scheme not in {"http", "https"} or not is_this_host(parts.hostname or ""):
            raise ForeignAddress(
                f"Requests are not forwarded to {shorten_for_message(url)}, the address in its lock file, because this is "
                "not an address of this machine."
            )
        return cls(url, key)

    def text(self) -> str:
        """Return the text for the lock file; it contains the key in plain text."""
        return json.dumps({"url": self.url, "key": self.key.reveal()})

    def accepts_peer_key(self, authorization: str) -> bool:
        """Return True if an Authorization header holds the key."""
        expected = f"{SCHEME} {self.key.reveal()}"
        return hmac.compare_digest(expected.encode(), authorization.encode("utf-8", "surrogateescape"))

    def upstream(self) -> Upstream:
        """Return a client of the server, without certificate checks: certificates do not name the loopback address."""
        return Upstream(self.url, SCHEME, self.key, verify=False)


class PeerIdentity(IdentityProvider):
    """Identity of requests from another server of the user, which has authenticated them and names the actor."""

    def get_user(self, handler: web.RequestHandler) -> User:
        # JupyterHub skips its XSRF check for requests with this attribute of Jupyter.
        handler._token_authenticated = True  # type: ignore[attr-defined]  # noqa: SLF001
        return User(username=handler.request.headers.get(ACTOR_HEADER, "") or "token")

    def is_token_authenticated(self, handler: web.RequestHandler) -> bool:  # noqa: ARG002 - signature of Jupyter
        """Return True: no website can make a browser send the key, so XSRF checks are not needed."""
        return True


def address(server: ServerApp) -> str:
    """Return the base URL of a server for programs on this machine; empty if it does not listen on a port.

    The host is an IP address or `localhost`: other servers trust no other name.
    """
    if server.sock:
        return ""
    host = server.ip
    if host in _ANY:
        host = "::1" if ":" in host else "127.0.0.1"
    elif not is_this_host(host):
        try:
            host = str(socket.getaddrinfo(host, server.port, type=socket.SOCK_STREAM)[0][4][0])
        except OSError:
            return ""
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if server.certfile else 'http'}://{host}:{server.port}{server.base_url}"

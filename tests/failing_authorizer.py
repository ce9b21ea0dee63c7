"""An authorizer that fails, so that requests end in an error of the server."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth import Authorizer


class FailingAuthorizer(Authorizer):
    """Fail for each request with the parameter `fail`; permit all others."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        if "fail" not in handler.request.query:
            return True
        raise RuntimeError(f"no decision for {handler.request.uri}")

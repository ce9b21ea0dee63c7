"""Authentication by JupyterHub, for a server that is one of its services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from tornado.web import HTTPError

if TYPE_CHECKING:
    from tornado.web import RequestHandler


class HubIdentity(JupyterHubIdentityProvider):  # type: ignore[misc]
    """Authenticates the hub's users, services and their tokens that may access this service.

    Responses of the hub are cached for five minutes (`HubOAuth.cache_max_age`).
    """

    async def get_user(self, handler: RequestHandler) -> Any:  # noqa: ANN401 - signature of JupyterHub
        """Return the user, None without a login. Raises HTTPError 503 if the hub cannot identify the user."""
        try:
            return await super().get_user(handler)
        except HTTPError as error:
            if error.status_code < 500:
                raise
            self.log.warning("identity_unavailable reason=%s", error.log_message)
            raise HTTPError(503, "JupyterHub cannot identify the user; nothing was changed. Try again.") from None

"""Who somebody is, as JupyterHub knows it, for a server that is one of its services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from tornado.web import HTTPError

if TYPE_CHECKING:
    from tornado.web import RequestHandler


class HubIdentity(JupyterHubIdentityProvider):  # type: ignore[misc]
    """The hub's users, its services, and their tokens, as far as they may use this service.

    What the hub answered counts for five minutes (`HubOAuth.cache_max_age`).
    """

    async def get_user(self, handler: RequestHandler) -> Any:  # noqa: ANN401 - as JupyterHub has it
        """The user, or None for nobody. Raises HTTPError 503 if the hub does not say."""
        try:
            return await super().get_user(handler)
        except HTTPError as error:
            if error.status_code < 500:
                raise
            self.log.warning("JupyterHub does not say who asks: %s", error.log_message)
            raise HTTPError(503, "JupyterHub does not say who asks; nothing was done. Try again.") from None

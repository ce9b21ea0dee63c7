"""The workflow server on its own: Jupyter's server with this extension, without kernels, contents, terminals or pages."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from traitlets.config import Config

from workflow_monitor.server.handlers.base import NAMESPACE

#: set by JupyterHub for its services only, not for the servers of its users
HUB_SERVICE = "JUPYTERHUB_SERVICE_NAME"
#: what JupyterHub tells a service that it starts, and who starts one by themselves has to set
HUB_VARIABLES = (HUB_SERVICE, "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_CLIENT_ID")
HUB_IDENTITY = "workflow_monitor.server.jupyterhub.HubIdentity"
EXTENSION = "workflow_monitor"


class ConfigurationError(Exception):
    """Something is missing; the text says what, and what helps."""


class RootRedirect(JupyterHandler):
    """Where a person arrives: leads to the page of the endpoints, by way of the login if need be."""

    @web.authenticated
    def get(self) -> None:
        self.redirect(f"{self.base_url}{NAMESPACE}/docs")


class StandaloneServerApp(ServerApp):
    """A Jupyter server that serves this extension and the login, and nothing else."""

    name = "workflow-monitor-serve"
    default_services = ("auth", "security")  # type: ignore[assignment]

    def init_server_extensions(self) -> None:
        """Load this extension alone, whatever is enabled for other Jupyter servers of this machine."""
        self.jpserver_extensions = {EXTENSION: True}
        super().init_server_extensions()

    def init_webapp(self) -> None:
        """Let persons in by the entrance."""
        super().init_webapp()
        self.web_app.add_handlers(".*$", [(self.base_url, RootRedirect)])  # type: ignore[no-untyped-call]
        if self.identity_provider.has_trait("hub_auth"):
            # Tornado would look for XSRF cookies before the hub has said who asks; Jupyter does so afterwards.
            self.web_app.settings["xsrf_cookies"] = False


def build_config(
    *,
    host: str | None,
    port: int | None,
    base_url: str | None,
    store: str | None,
    token: str,
    behind_proxy: bool,
    hub: bool,
) -> Config:
    """What Headless is to be told; None leaves it to the hub, if it is a service of one, else to what is usual.

    Raises CannotServe if the hub is asked for and cannot be had.
    """
    server: dict[str, Any] = {
        "ip": host or "127.0.0.1",
        "port": port or 8080,
        "base_url": base_url or "/",
        "port_retries": 0,
        "open_browser": False,
        "answer_yes": True,
        "allow_root": os.geteuid() == 0,
        "allow_unauthenticated_access": False,
    }
    if hub:
        _check_hub()
        told = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))
        server["ip"] = host or told.hostname or server["ip"]
        server["port"] = port or told.port or server["port"]
        server["base_url"] = base_url or os.environ.get("JUPYTERHUB_SERVICE_PREFIX") or f"/services/{_service()}/"
        server["identity_provider_class"] = HUB_IDENTITY
    if hub or behind_proxy:
        # The proxy passes on the host's public name, and says who asks and whether by HTTPS.
        server |= {"allow_remote_access": True, "trust_xheaders": True}
    found = Config({"ServerApp": server})
    if token and not hub:
        found.IdentityProvider.token = token
    if store:
        found.WorkflowMonitor.store_url = store
    return found


def is_service_of_hub() -> bool:
    """Whether JupyterHub has started this process as one of its services."""
    return bool(_service())


def _service() -> str:
    return os.environ.get(HUB_SERVICE, "")


def _check_hub() -> None:
    if find_spec("jupyterhub") is None:
        raise ConfigurationError(
            "JupyterHub's package is needed to ask it who somebody is: pip install workflow-monitor[hub]"
        )
    if missing := [name for name in HUB_VARIABLES if not os.environ.get(name)]:
        raise ConfigurationError(
            f"JupyterHub tells its services who they are by variables; these are not set: {missing}"
        )


def serve(config: Config, arguments: list[str]) -> None:
    """Serve until it is told to end; `arguments` are further ones of Jupyter, `--WorkflowMonitor.queue=lease` say."""
    server = StandaloneServerApp.instance(config=config)
    server.initialize(argv=arguments, find_extensions=False)
    server.start()

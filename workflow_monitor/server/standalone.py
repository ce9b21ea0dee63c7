"""The standalone workflow server: a Jupyter server with this extension only, without kernels, contents and terminals."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.serverapp import ServerApp
from tornado import web
from traitlets.config import Config

from workflow_monitor.server.connection_limit import limit_connections, max_connections
from workflow_monitor.server.handlers.base import NAMESPACE

#: set by JupyterHub for its services only, not for the servers of its users
HUB_SERVICE = "JUPYTERHUB_SERVICE_NAME"
#: JupyterHub sets these for the services that it starts; a service that it does not start needs them in its environment
HUB_VARIABLES = (HUB_SERVICE, "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_CLIENT_ID")
HUB_IDENTITY = "workflow_monitor.server.jupyterhub.HubIdentity"
EXTENSION = "workflow_monitor"
#: seconds until a connection without a request is closed
IDLE_SECONDS = 60.0


class ConfigurationError(Exception):
    """The server cannot start; the message names the missing package or variables."""


class RootRedirect(JupyterHandler):
    """Redirects the root of the server to the documentation page, after the login if one is needed."""

    @web.authenticated
    def get(self) -> None:
        self.redirect(f"{self.base_url}{NAMESPACE}/docs")


class StandaloneServerApp(ServerApp):
    """A Jupyter server with this extension and the login pages only."""

    name = "workflow-monitor-serve"
    default_services = ("auth", "security")  # type: ignore[assignment]

    def init_server_extensions(self) -> None:
        """Load this extension only; ignore the extensions enabled for other Jupyter servers of this machine."""
        self.jpserver_extensions = {EXTENSION: True}
        super().init_server_extensions()

    def write_browser_open_files(self) -> None:
        """Write no page with the token for a browser: Jupyter lets other users read it."""

    def init_httpserver(self) -> None:
        """Create the HTTP server; close connections that send nothing, and refuse more than the process can open."""
        super().init_httpserver()
        limit_connections(self.http_server, max_connections(), IDLE_SECONDS)

    def init_webapp(self) -> None:
        """Add the redirect from the root."""
        super().init_webapp()
        self.web_app.add_handlers(".*$", [(self.base_url, RootRedirect)])  # type: ignore[no-untyped-call]
        if self.identity_provider.has_trait("hub_auth"):
            # Tornado checks XSRF cookies before the hub has identified the user; Jupyter checks them afterwards.
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
    """Return the configuration of the server. None selects the value from the hub for a service of it, else a default.

    Raises ConfigurationError if `hub` is set and the hub's package or variables are missing.
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
        service_url = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))
        server["ip"] = host or service_url.hostname or server["ip"]
        server["port"] = port or service_url.port or server["port"]
        server["base_url"] = base_url or os.environ.get("JUPYTERHUB_SERVICE_PREFIX") or f"/services/{_service()}/"
        server["identity_provider_class"] = HUB_IDENTITY
    if hub or behind_proxy:
        # The proxy forwards the public host name, the address of the client and the scheme in headers.
        server |= {"allow_remote_access": True, "trust_xheaders": True}
    config = Config({"ServerApp": server})
    if token and not hub:
        config.IdentityProvider.token = token
    if store:
        config.WorkflowMonitor.store_url = store
    return config


def is_service_of_hub() -> bool:
    """Return True if JupyterHub has started this process as one of its services."""
    return bool(_service())


def _service() -> str:
    return os.environ.get(HUB_SERVICE, "")


def _check_hub() -> None:
    if find_spec("jupyterhub") is None:
        raise ConfigurationError("Authentication by JupyterHub needs its package: pip install workflow-monitor[hub]")
    if missing := [name for name in HUB_VARIABLES if not os.environ.get(name)]:
        raise ConfigurationError(
            f"A service of JupyterHub needs these environment variables, which are not set: {missing}"
        )


def serve(config: Config, arguments: list[str]) -> None:
    """Serve until a signal stops the server; `arguments` are options of Jupyter such as `--WorkflowMonitor.queue=lease`."""
    # Jupyter's files with tokens must be private.
    os.umask(0o077)
    server = StandaloneServerApp.instance(config=config)
    server.initialize(argv=arguments, find_extensions=False)
    server.start()

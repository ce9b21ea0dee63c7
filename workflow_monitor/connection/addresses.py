"""URLs of workflow servers and Jupyter servers."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit, urlunsplit

from workflow_monitor.connection.errors import MonitorError
from workflow_monitor.connection.secret import Secret

#: path of the endpoints below the base URL of a Jupyter server
NAMESPACE = "workflow-monitor"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: first segments of the pages of a Jupyter server
_PAGES = ("lab", "tree", "notebooks", "doc", "edit", "consoles", "terminals", "api", "hub")


def split_address(url: str) -> tuple[str, Secret | None]:
    """Split a pasted address into the base URL and the token in its query. Raises MonitorError.

    >>> split_address("http://localhost:8888/user/eva/lab/tree/a.ipynb?token=abc")
    ('http://localhost:8888/user/eva/', Secret('•••'))
    >>> split_address("localhost:8080")
    ('http://localhost:8080/', None)
    """
    parts = urlsplit(url.strip() if "://" in url else f"http://{url.strip()}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MonitorError("The address of a workflow server begins with http:// or https://, and names a host.")
    if parts.username or parts.password:
        raise MonitorError(
            "Remove the user and the password from the address, and pass the token by `token=…` or WORKFLOW_MONITOR_TOKEN."
        )
    segments = [segment for segment in parts.path.split("/") if segment]
    end = next((index for index in range(len(segments)) if _is_page(segments, index)), len(segments))
    path = "/".join(["", *segments[:end], ""])
    tokens = parse_qs(parts.query).get("token")
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), Secret(tokens[0]) if tokens else None


def _is_page(segments: list[str], index: int) -> bool:
    # A user may be named "lab": /user/lab/ is no page.
    return segments[index] in _PAGES and (index == 0 or segments[index - 1] != "user")


def candidate_roots(url: str) -> list[str]:
    """Return the possible URLs of the endpoints of a server, the most likely first.

    >>> candidate_roots("http://host/user/eva/")
    ['http://host/user/eva/workflow-monitor/', 'http://host/user/eva/']
    >>> candidate_roots("http://host/services/workflow-monitor/")[0]
    'http://host/services/workflow-monitor/workflow-monitor/'
    """
    path = urlsplit(url).path.rstrip("/")
    # A service of JupyterHub may itself be named workflow-monitor.
    if path.endswith(f"/{NAMESPACE}") and not path.endswith(f"/services/{NAMESPACE}"):
        return [url]
    return [f"{url}{NAMESPACE}/", url]


def origin(url: str) -> tuple[str, str, int]:
    """Return the scheme, the host and the port of a URL; all loopback addresses are `localhost`."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = "localhost" if parts.hostname in LOOPBACK else parts.hostname or ""
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def is_below(url: str, base: str) -> bool:
    """Return True if a URL has the origin of a base URL and a path below it."""
    return origin(url) == origin(base) and urlsplit(url).path.startswith(urlsplit(base).path)

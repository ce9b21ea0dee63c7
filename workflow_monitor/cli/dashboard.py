"""`workflow-monitor dashboard`: the dashboard notebook as a web page."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from workflow_monitor.cli.ingestion import URL, connect
from workflow_monitor.demo.run import notebooks

NOTEBOOK = "03_dashboard.ipynb"
#: data path of Jupyter with the template of the page
PAGE = Path(__file__).with_name("page")
#: needs Notebook and logs errors in Voilà
NOT_HERE = "@jupyter-notebook/lab-extension"


def dashboard(
    url: URL = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 accepts other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port.")] = 8866,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Serve the dashboard of all AOIs as a web page, until interrupted.

    The token of the page gives access to all ingestions and actions. WORKFLOW_MONITOR_PAGE_TOKEN sets it; otherwise
    a random token is printed.
    """
    if find_spec("voila") is None:
        typer.echo("The page is served by Voilà, which is not installed: pip install voila", err=True)
        raise typer.Exit(1)
    with connect(url) as m:
        environment = {**os.environ, **m.environment()}
    token = environment.pop("WORKFLOW_MONITOR_PAGE_TOKEN", "") or secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="workflow-monitor-") as folder:
        _configure(Path(folder), host, port, token, browser=browser)
        for name, place in (("JUPYTER_PATH", PAGE), ("JUPYTER_CONFIG_PATH", folder)):
            environment[name] = os.pathsep.join(filter(None, [str(place), environment.get(name, "")]))
        typer.echo(f"The dashboard is at http://{host}:{port}/?token={token}")
        # Other users can read command lines, so the token is in a private file.
        command = [sys.executable, "-m", "voila", str(notebooks() / NOTEBOOK)]
        status = _run_until_stopped(command, environment)
    raise typer.Exit(status)


def _run_until_stopped(command: list[str], environment: dict[str, str]) -> int:
    """Run a program until it ends or this process gets SIGINT or SIGTERM; return its exit status, 0 once stopped."""
    with subprocess.Popen(command, env=environment, umask=0o077) as program:  # noqa: S603 - fixed command
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return program.wait()
        except KeyboardInterrupt:
            program.terminate()
            return 0


def _configure(folder: Path, host: str, port: int, token: str, *, browser: bool) -> None:
    """Write the configuration of Voilà."""
    voila = {"ip": host, "port": port, "open_browser": browser, "token": token}
    page = {"template": "workflow-monitor", "strip_sources": True, "extension_denylist": [NOT_HERE]}
    config = {"Voila": voila, "VoilaConfiguration": page}
    file = folder / "voila.json"
    file.touch(0o600)
    file.write_text(json.dumps(config), encoding="utf-8")

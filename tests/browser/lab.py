"""JupyterLab in Chromium, on a server with a small ingestion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import nbformat
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
)
from playwright.sync_api import (
    TimeoutError as PlaywrightTimeout,
)

from tests.example_servers import call
from tests.server_process import TOKEN, LiveServer, live_server

OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
#: Limit of each wait for a state: far above the usual second, so that a busy machine only delays the tests.
WAIT_MS = 120_000
expect.set_options(timeout=WAIT_MS)

START = 'from workflow_monitor import Monitor\nm = Monitor(actor="Åse 北")\naoi = m["DenmarkS1"]'
#: Cell that keeps the kernel busy until it is shut down.
BUSY = "import time; time.sleep(86400)"
#: Cell that lets the kernel die once the file `die` exists, which `kill_kernel` creates.
MORTAL = """
import os, pathlib, threading, time
def wait_for_death():
    while not pathlib.Path("die").exists():
        time.sleep(0.05)
    os._exit(1)
threading.Thread(target=wait_for_death, daemon=True).start()
"""
#: Selectors that match once the notebook is connected to its kernel.
CONNECTED = {
    "lab": "#jp-main-statusbar :text('| Idle')",
    "notebook": '.jp-Notebook-ExecutionIndicator[data-status="idle"]',
}
#: JupyterLab ignores "Run All Cells" shortly before the kernel is ready.
RUN_ATTEMPTS = 6
RUN_ATTEMPT_MS = 30_000
RUNNING = "() => /\\[[*1]\\]/.test(document.querySelector('.jp-InputPrompt')?.textContent)"
#: Errors of pages without any panel.
KNOWN_ERRORS = {
    "lab": (),
    "notebook": (
        "Cannot read properties of undefined (reading 'schema')",
        "Command 'filebrowser:open-path' not registered.",
    ),
}
#: Error of JupyterLab when an ipyleaflet widget sends its position to a dead kernel.
DEAD_KERNEL_ERRORS = ("Cannot send",)
#: Messages of the browser about an unreachable server, which some tests stop.
NETWORK_ERRORS = ("net::ERR_", "WebSocket connection", "Failed to load resource")
THEME_SETTINGS = "lab/api/settings/@jupyterlab/apputils-extension:themes"


@dataclass
class PageMonitor:
    """Records the faults of a page: requests to other hosts, errors, and dialogs opened by hostile texts."""

    host: str
    foreign_requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._on_error(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self.foreign_requests.append(request.url)

    def _on_error(self, error: str) -> None:
        if error not in DEAD_KERNEL_ERRORS:
            self.errors.append(error)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(word in message.text for word in NETWORK_ERRORS):
            self.errors.append(message.text)


@dataclass
class Lab:
    """A running JupyterLab, and a browser for its notebooks."""

    server: LiveServer
    folder: Path
    browser: Browser
    #: Context shared by the pages, with a warm cache; without it each page has its own.
    context: BrowserContext | None = None

    @contextmanager
    def notebook(self, *cells: str, start: str = START, app: str = "lab", script: str = "") -> Iterator[Page]:
        """Open a notebook, start all of its cells, and yield the page. `app` is "lab" or "notebook".

        A `script` runs in the page before its own scripts.
        """
        name = f"test-{len(list(self.folder.glob('*.ipynb')))}.ipynb"
        content = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
            cells=[nbformat.v4.new_code_cell(cell) for cell in (start, *cells)],  # type: ignore[no-untyped-call]
            metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        )
        nbformat.write(content, self.folder / name)  # type: ignore[no-untyped-call]
        path = f"lab/workspaces/{Path(name).stem}/tree/{name}" if app == "lab" else f"notebooks/{name}"
        url = f"{self.server.base_url}{path}?token={TOKEN}"
        with self._session(name), monitored_page(self.browser, url, KNOWN_ERRORS[app], script, self.context) as page:
            page.wait_for_selector(".jp-Notebook .jp-CodeCell")
            page.wait_for_selector(CONNECTED[app])
            run_all_cells(page)
            yield page

    @contextmanager
    def _session(self, name: str) -> Iterator[None]:
        """Start the kernel of a notebook while the page loads, and shut it down in the end."""
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
        created = self._jupyter("POST", "api/sessions", session)
        try:
            yield
        finally:
            # Some tests stop the server.
            with suppress(httpx.TransportError):
                self._jupyter("DELETE", f"api/sessions/{created['id']}")

    @contextmanager
    def theme(self, name: str) -> Iterator[None]:
        """Select a theme of JupyterLab."""
        self._jupyter("PUT", THEME_SETTINGS, {"raw": json.dumps({"theme": name})})
        try:
            yield
        finally:
            self._jupyter("PUT", THEME_SETTINGS, {"raw": "{}"})

    def _jupyter(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the Jupyter server, and return the JSON document of the response."""
        response = httpx.request(
            method,
            f"{self.server.base_url}{path}",
            json=body,
            headers={"Authorization": f"token {TOKEN}"},
            timeout=WAIT_MS / 1000,
            trust_env=False,
        )
        return response.json() if response.content else None


def run_all_cells(page: Page) -> None:
    for _ in range(RUN_ATTEMPTS):
        page.click('.lm-MenuBar-itemLabel:text-is("Run")')
        page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
        with suppress(PlaywrightTimeout):
            page.wait_for_function(RUNNING, timeout=RUN_ATTEMPT_MS)
            return
    raise AssertionError("the cells do not run")


@contextmanager
def monitored_page(
    browser: Browser,
    url: str,
    known_errors: tuple[str, ...] = (),
    script: str = "",
    context: BrowserContext | None = None,
) -> Iterator[Page]:
    """Open a page, and assert in the end that it sent no requests to other hosts and had no unknown errors."""
    monitor = PageMonitor(urlsplit(url).netloc)
    own_context = None if context else new_context(browser)
    page = (context or own_context or new_context(browser)).new_page()
    monitor.attach(page)
    page.add_init_script(script)
    try:
        page.goto(url)
        yield page
    finally:
        page.close()
        if own_context:
            own_context.close()
    assert monitor.foreign_requests == [], monitor.foreign_requests
    errors = [error for error in monitor.errors if error not in known_errors]
    assert errors == [], errors


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(WAIT_MS)
    return context


def panel(page: Page, title: str) -> Locator:
    """Return the visible panel whose label starts with a title."""
    locator = page.locator(f'.wm-panel[aria-label^="{title}"]')
    expect(locator).to_be_visible()
    return locator


def kill_kernel(lab: Lab, page: Page) -> None:
    """Let the kernel of a notebook with the cell `MORTAL` die, and close JupyterLab's message about its restart."""
    signal = lab.folder / "die"
    signal.touch()
    try:
        page.get_by_role("button", name="Ok", exact=True).first.click()
    finally:
        signal.unlink()


def status_of(lab: Lab, kind: str = "scene", item_id: int = 3) -> str:
    """Return the status of a scene or tile on the server."""
    document: dict[str, Any] = call(lab.server, "GET", f"{kind}/{item_id}")
    return str(document["status"])


@contextmanager
def running_lab(folder: Path, store: Path | None, browser: Browser) -> Iterator[Lab]:
    """Start JupyterLab on a copy of a store, or on a new store."""
    if store is not None:
        shutil.copy(store, folder / "workflow.duckdb")
    with live_server(folder, "/user/eva/", lab=True) as server:
        context = new_context(browser)
        yield Lab(server, folder, browser, context)
        context.close()

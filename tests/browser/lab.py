"""JupyterLab in a real Chromium, on a server with a small ingestion."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect
from playwright.sync_api import Error as PlaywrightError

from tests.example_servers import call
from tests.server_process import TOKEN, LiveServer, live_server

OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
START = 'from workflow_monitor import Monitor\nm = Monitor(actor="Åse 北")\naoi = m["DenmarkS1"]'
#: what is there when the kernel is
READY = {
    "lab": "#jp-main-statusbar :text('| Idle')",
    "notebook": '.jp-Notebook-ExecutionIndicator[data-status="idle"]',
}
#: what JupyterLab's own code throws when a widget of ipyleaflet tells a dead kernel where the map is
GONE = ("Cannot send",)
#: lets its kernel die as soon as there is a file of this name: not before the panels are there
MORTAL = """
import os, pathlib, threading, time
def wait_for_death():
    while not pathlib.Path("die").exists():
        time.sleep(0.05)
    os._exit(1)
threading.Thread(target=wait_for_death, daemon=True).start()
"""
BEGUN = "() => /\\[[*1]\\]/.test(document.querySelector('.jp-InputPrompt')?.textContent)"
#: errors that a page has without any panel
OWN = {
    "lab": (),
    "notebook": (
        "Cannot read properties of undefined (reading 'schema')",
        "Command 'filebrowser:open-path' not registered.",
    ),
}
#: What the browser says when a server is away, which it may be.
AWAY = ("net::ERR_", "WebSocket connection", "Failed to load resource")


@dataclass
class Watch:
    """What must not happen in a page: requests to others, errors, dialogs that a name has opened."""

    host: str
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("request", self._requested)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._failed(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"a dialog: {dialog.message}"))

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self.elsewhere.append(request.url)

    def _failed(self, error: str) -> None:
        if error not in GONE:
            self.errors.append(error)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(word in message.text for word in AWAY):
            self.errors.append(message.text)


@dataclass
class Lab:
    """A running JupyterLab, and a browser to open its notebooks."""

    server: LiveServer
    folder: Path
    browser: Browser

    @contextmanager
    def notebook(self, *cells: str, start: str = START, app: str = "lab", script: str = "") -> Iterator[Page]:
        """A page with a notebook of these cells, all of which are being run; `app` is "lab" or "notebook".

        A `script` runs in the page before anything else.
        """
        name = f"test-{len(list(self.folder.glob('*.ipynb')))}.ipynb"
        content = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
            cells=[nbformat.v4.new_code_cell(cell) for cell in (start, *cells)],  # type: ignore[no-untyped-call]
            metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        )
        nbformat.write(content, self.folder / name)  # type: ignore[no-untyped-call]
        path = f"lab/workspaces/{Path(name).stem}/tree/{name}" if app == "lab" else f"notebooks/{name}"
        with watched_page(self.browser, f"{self.server.base_url}{path}?token={TOKEN}", OWN[app], script) as page:
            page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
            # Before the kernel is there, "Run All Cells" does nothing.
            page.wait_for_selector(READY[app], timeout=60_000)
            run_all(page)
            yield page


def run_all(page: Page) -> None:
    """Run all cells; a kernel that is not quite there yet lets it go by."""
    for _ in range(5):
        page.click('.lm-MenuBar-itemLabel:text-is("Run")')
        page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
        with suppress(PlaywrightError):
            page.wait_for_function(BEGUN, timeout=5_000)
            return
    raise AssertionError("the cells do not run")


@contextmanager
def watched_page(browser: Browser, url: str, own: tuple[str, ...] = (), script: str = "") -> Iterator[Page]:
    """A page that asks no other host and has no errors but its `own`."""
    watch = Watch(urlsplit(url).netloc)
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    watch.follow(page)
    page.add_init_script(script)
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert watch.elsewhere == [], watch.elsewhere
    errors = [error for error in watch.errors if error not in own]
    assert errors == [], errors


def panel(page: Page, title: str) -> Locator:
    """A panel by its title, as soon as it is there."""
    found = page.locator(f'.wm-panel[aria-label^="{title}"]')
    expect(found).to_be_visible(timeout=60_000)
    return found


def kill_kernel(lab: Lab, page: Page) -> None:
    """Let the kernel of a notebook with the cell `MORTAL` die, and answer what JupyterLab says of it."""
    signal = lab.folder / "die"
    signal.touch()
    try:
        page.get_by_role("button", name="Ok", exact=True).first.click()
    finally:
        signal.unlink()


def status_of(lab: Lab, kind: str = "scene", number: int = 3) -> str:
    """The status of a scene or tile on the server."""
    document: dict[str, Any] = call(lab.server, "GET", f"{kind}/{number}")
    return str(document["status"])


@contextmanager
def running_lab(folder: Path, store: Path | None, browser: Browser) -> Iterator[Lab]:
    """JupyterLab over a copy of a store."""
    if store is not None:
        shutil.copy(store, folder / "workflow.duckdb")
    with live_server(folder, "/user/eva/", lab=True) as server:
        yield Lab(server, folder, browser)

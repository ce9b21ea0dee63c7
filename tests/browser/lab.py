"""JupyterLab in a real Chromium, on a server with a small ingestion."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.live import TOKEN, LiveServer, live_server

OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
START = 'from workflow_monitor import Monitor\nm = Monitor(actor="Åse 北")\naoi = m["DenmarkS1"]'
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
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"a dialog: {dialog.message}"))

    def _requested(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self.host:
            self.elsewhere.append(request.url)

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
    def notebook(self, *cells: str, theme: str = "light", width: int = 1000) -> Iterator[Page]:
        """A page with a notebook of these cells, which have been run up to the last that shows a panel."""
        name = f"test-{len(list(self.folder.glob('*.ipynb')))}.ipynb"
        content = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
            cells=[nbformat.v4.new_code_cell(cell) for cell in (START, *cells)],  # type: ignore[no-untyped-call]
            metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        )
        nbformat.write(content, self.folder / name)  # type: ignore[no-untyped-call]
        watch = Watch(urlsplit(self.server.base_url).netloc)
        context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
        page = context.new_page()
        watch.follow(page)
        try:
            page.goto(f"{self.server.base_url}lab/workspaces/{Path(name).stem}/tree/{name}?token={TOKEN}")
            page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
            # Before the kernel is there, "Run All Cells" does nothing.
            page.wait_for_selector("#jp-main-statusbar :text('| Idle')", timeout=60_000)
            page.click('.lm-MenuBar-itemLabel:text-is("Run")')
            page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
            yield page
        finally:
            context.close()
        assert watch.elsewhere == []
        assert watch.errors == []


@contextmanager
def running_lab(folder: Path, store: Path, browser: Browser) -> Iterator[Lab]:
    """JupyterLab over a copy of a store."""
    shutil.copy(store, folder / "workflow.duckdb")
    with live_server(folder, "/user/eva/", lab=True) as server:
        yield Lab(server, folder, browser)

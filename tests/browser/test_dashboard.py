"""The dashboard in JupyterLab, in Notebook 7, and as a standalone page served by Voilà."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import (
    BUSY,
    MORTAL,
    WAIT_MS,
    Lab,
    kill_kernel,
    monitored_page,
    panel,
    running_lab,
    status_of,
)
from tests.example_servers import call
from tests.server_process import TOKEN, free_port

ALL = "m.dashboard()"
PAGE_TOKEN = "page-token"


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def select_aoi(page: Page, name: str) -> None:
    page.locator(".wm-aois").get_by_role("button", name=name, exact=True).click()


def retry_the_failure(page: Page) -> None:
    failures = panel(page, "Failures of DenmarkS1")
    failures.locator("summary", has_text="badly formatted storage uri").click()
    failures.get_by_role("button", name="Retry 1…").click()
    failures.locator("dialog").get_by_role("button", name="Retry").click()
    expect(failures.get_by_text("1 scene retried.")).to_be_visible()


@pytest.mark.usefixtures("one_scene_in_retry")
def test_an_aoi_is_selected_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(ALL, BUSY) as page:
        expect(panel(page, "AOIs").locator("tbody tr")).to_contain_text(["DenmarkS1", "DenmarkS2"])
        expect(panel(page, "Summary of DenmarkS1")).to_be_visible()
        expect(panel(page, "Map of DenmarkS1")).to_be_visible()
        select_aoi(page, "DenmarkS2")
        expect(panel(page, "Summary of DenmarkS2").locator("tbody th").first).to_have_text("scenes")
        expect(panel(page, "Map of DenmarkS2")).to_be_visible()
        open_tab(page, "Graph")
        expect(panel(page, "Dependency graph of DenmarkS2").locator(".wm-legend")).to_contain_text("NEW")
        select_aoi(page, "DenmarkS1")
        open_tab(page, "Failures")
        retry_the_failure(page)
        assert status_of(lab) == "PENDING"


def test_an_aoi_is_selected_after_the_kernel_has_died(lab: Lab) -> None:
    with lab.notebook(ALL, MORTAL) as page:
        expect(panel(page, "Map of DenmarkS1")).to_be_visible()
        kill_kernel(lab, page)
        select_aoi(page, "DenmarkS2")
        expect(panel(page, "Summary of DenmarkS2").locator("tbody th").first).to_have_text("scenes")


@pytest.mark.usefixtures("one_scene_in_retry")
def test_tabs_by_keyboard(lab: Lab) -> None:
    with lab.notebook("aoi.dashboard()") as page:
        expect(page.locator(".wm-aois")).to_have_count(0)
        page.get_by_role("tab", name="Map").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Graph")).to_be_focused()
        expect(panel(page, "Dependency graph")).to_be_visible()
        expect(page.get_by_role("tab", name="Graph")).to_have_attribute("aria-selected", "true")


@pytest.mark.usefixtures("one_scene_in_retry")
def test_in_notebook_7(lab: Lab) -> None:
    with lab.notebook(ALL, app="notebook") as page:
        open_tab(page, "Failures")
        retry_the_failure(page)
        assert status_of(lab) == "PENDING"
        call(lab.server, "PUT", "scene/3/force/RETRY")
        expect(
            page.locator('.wm-panel[aria-label^="Summary"]').get_by_role("button", name="Retry 1 item…")
        ).to_be_visible()


def test_a_server_without_an_aoi(browser: Browser, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with (
        running_lab(empty, None, browser) as lab,
        lab.notebook(ALL, start="from workflow_monitor import Monitor\nm = Monitor()") as page,
    ):
        expect(panel(page, "AOIs").get_by_text("No AOIs yet.")).to_be_visible()
        call(lab.server, "POST", "aoi/First")
        select_aoi(page, "First")
        expect(panel(page, "Summary of First")).to_contain_text("nothing left")


def test_texts_are_bright_in_the_dark_theme(lab: Lab) -> None:
    with lab.theme("JupyterLab Dark"), lab.notebook("aoi.panels.summary()") as page:
        summary = panel(page, "Summary")
        expect(summary.locator("button").first).to_be_visible()
        # One function looks up the button and reads its color, because a refresh may replace the button in between.
        brightness = """(element, selector) => getComputedStyle(selector ? element.querySelector(selector) : element)
            .color.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"""
        assert summary.evaluate(brightness) > 450
        assert summary.evaluate(brightness, "button") > 450


@contextmanager
def dashboard_page(lab: Lab) -> Iterator[str]:
    """Run `workflow-monitor dashboard` on the server of a lab, and yield the URL of its page."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "workflow_monitor.cli",
        "dashboard",
        f"--url={lab.server.base_url}",
        f"--port={port}",
    ]
    environment = {**os.environ, "WORKFLOW_MONITOR_TOKEN": TOKEN, "WORKFLOW_MONITOR_PAGE_TOKEN": PAGE_TOKEN}
    environment["JUPYTER_RUNTIME_DIR"] = str(lab.folder / "page")
    with (lab.folder / "page.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-browser"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        while not responds(url):
            assert process.poll() is None, (lab.folder / "page.log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        assert process.wait(WAIT_MS / 1000) == 0
        assert not responds(url), "Voilà outlives the command"
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def dashboard_url(lab: Lab) -> Iterator[str]:
    with dashboard_page(lab) as url:
        yield url


def responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.mark.usefixtures("one_scene_in_retry")
def test_the_standalone_page(lab: Lab, browser: Browser, dashboard_url: str) -> None:
    with monitored_page(browser, f"{dashboard_url}?token={PAGE_TOKEN}") as page:
        expect(panel(page, "Summary of DenmarkS1")).to_have_attribute("data-transport", "CommTransport")
        expect(page.locator(".jp-CodeCell .jp-InputArea:visible")).to_have_count(0)
        expect(panel(page, "Map of DenmarkS1").locator(".wm-legend")).to_contain_text("RETRY")
        open_tab(page, "Graph")
        expect(panel(page, "Dependency graph").locator(".wm-legend")).to_contain_text("NEW")
        open_tab(page, "Failures")
        retry_the_failure(page)
        assert status_of(lab) == "PENDING"
        call(lab.server, "PUT", "scene/3/force/RETRY")
        summary = panel(page, "Summary of DenmarkS1")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()
    assert TOKEN not in (lab.folder / "page.log").read_text()


def test_the_standalone_page_requires_its_token(browser: Browser, dashboard_url: str) -> None:
    with monitored_page(browser, dashboard_url) as page:
        expect(page.locator(".wm-panel")).to_have_count(0)
        assert "login" in page.url

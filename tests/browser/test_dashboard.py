"""The dashboard in JupyterLab, in Notebook 7, and served by Voilà as a page of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import MORTAL, Lab, kill_kernel, panel, running_lab, status_of, watched_page
from tests.example_servers import call
from tests.server_process import TOKEN, free_port

ALL = "m.dashboard()"
PAGE_TOKEN = "page-token"


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def choose(page: Page, name: str) -> None:
    page.locator(".wm-aois").get_by_role("button", name=name, exact=True).click()


def retry_the_failure(page: Page) -> None:
    failures = panel(page, "Failures of DenmarkS1")
    failures.locator("summary", has_text="badly formatted storage uri").click()
    failures.get_by_role("button", name="Retry 1 …").click()
    failures.locator("dialog").get_by_role("button", name="Retry").click()
    expect(failures.get_by_text("1 scene retried.")).to_be_visible()


@pytest.mark.usefixtures("one_scene_in_retry")
def test_any_aoi_is_chosen_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(ALL, "import time; time.sleep(120)") as page:
        expect(panel(page, "AOIs").locator("tbody tr").first).to_contain_text("DenmarkS1")
        expect(panel(page, "Summary of DenmarkS1")).to_be_visible()
        expect(panel(page, "Map of DenmarkS1")).to_be_visible()
        choose(page, "DenmarkS2")
        expect(panel(page, "Summary of DenmarkS2").locator("tbody th").first).to_have_text("scenes")
        expect(panel(page, "Map of DenmarkS2")).to_be_visible()
        tab(page, "Graph")
        expect(panel(page, "Dependency graph of DenmarkS2").locator(".wm-legend")).to_contain_text("NEW")
        choose(page, "DenmarkS1")
        tab(page, "Failures")
        retry_the_failure(page)
        assert status_of(lab) == "PENDING"


def test_any_aoi_is_chosen_after_the_kernel_has_died(lab: Lab) -> None:
    with lab.notebook(ALL, MORTAL) as page:
        expect(panel(page, "Map of DenmarkS1")).to_be_visible()
        kill_kernel(lab, page)
        choose(page, "DenmarkS2")
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
        tab(page, "Failures")
        retry_the_failure(page)
        assert status_of(lab) == "PENDING"
        call(lab.server, "PUT", "scene/3/force/RETRY")
        expect(
            page.locator('.wm-panel[aria-label^="Summary"]').get_by_role("button", name="Retry all 1 …")
        ).to_be_visible(timeout=5_000)


def test_a_server_without_an_aoi(browser: Browser, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with (
        running_lab(empty, None, browser) as lab,
        lab.notebook(ALL, start="from workflow_monitor import Monitor\nm = Monitor()") as page,
    ):
        expect(panel(page, "AOIs").get_by_text("There is no AOI yet.")).to_be_visible()
        call(lab.server, "POST", "aoi/First")
        choose(page, "First")
        expect(panel(page, "Summary of First")).to_contain_text("nothing left")


def test_in_the_dark_theme(browser: Browser, seeded_store: Path, tmp_path: Path) -> None:
    settings = tmp_path / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": "JupyterLab Dark"}))
    with running_lab(tmp_path, seeded_store, browser) as lab, lab.notebook("aoi.panels.summary()") as page:
        summary = panel(page, "Summary")
        # A button is looked for and looked at in one step: the panel may draw new ones at any time.
        brightness = """(element, part) => getComputedStyle(part ? element.querySelector(part) : element)
            .color.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"""
        expect(summary.locator("button").first).to_be_visible()
        assert summary.evaluate(brightness) > 450
        assert summary.evaluate(brightness, "button") > 450


@contextmanager
def dashboard_page(lab: Lab) -> Iterator[str]:
    """`workflow-monitor dashboard` over the server of a lab: where its page is."""
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
        process = subprocess.Popen([*command, "--no-browser"], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        url = f"http://127.0.0.1:{port}/"
        while not answers(url):
            assert process.poll() is None, (lab.folder / "page.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@pytest.mark.usefixtures("one_scene_in_retry")
def test_as_a_page_of_its_own(lab: Lab, browser: Browser) -> None:
    with dashboard_page(lab) as url:
        with watched_page(browser, f"{url}?token={PAGE_TOKEN}") as page:
            expect(panel(page, "Summary of DenmarkS1")).to_have_attribute("data-transport", "ThroughKernel")
            expect(page.locator(".jp-CodeCell .jp-InputArea:visible")).to_have_count(0)
            expect(panel(page, "Map of DenmarkS1").locator(".wm-legend")).to_contain_text("RETRY")
            tab(page, "Graph")
            expect(panel(page, "Dependency graph").locator(".wm-legend")).to_contain_text("NEW")
            tab(page, "Failures")
            retry_the_failure(page)
            assert status_of(lab) == "PENDING"
            call(lab.server, "PUT", "scene/3/force/RETRY")
            summary = panel(page, "Summary of DenmarkS1")
            expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible(timeout=5_000)
        assert TOKEN not in (lab.folder / "page.log").read_text()


@pytest.mark.usefixtures("one_scene_in_retry")
def test_the_page_is_for_those_who_have_its_token(lab: Lab, browser: Browser) -> None:
    with dashboard_page(lab) as url, watched_page(browser, url) as page:
        expect(page.locator(".wm-panel")).to_have_count(0)
        assert "login" in page.url

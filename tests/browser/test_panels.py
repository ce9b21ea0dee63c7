"""The panels in JupyterLab: their content, live updates, and buttons that work without the kernel."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.lab import BUSY, MORTAL, Lab, kill_kernel, panel, running_lab, status_of
from tests.example_servers import call
from tests.server_process import live_server

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")

SUMMARY, FAILURES = "aoi.panels.summary()", "aoi.panels.failures()"
HOSTILE = '<img src=x onerror="alert(1)">\n</code><script>alert(2)</script>"\'\u202e' + "x" * 10_000


def counts(summary: Locator, part: str) -> list[str]:
    row = summary.locator("tbody tr", has=summary.page.locator(f'th:text-is("{part}")'))
    return [text.strip() for text in row.locator("td").all_inner_texts()]


def retry_all(summary: Locator) -> None:
    summary.get_by_role("button", name=re.compile("^Retry")).click()
    summary.locator("dialog").get_by_role("button", name="Retry").click()


def test_the_summary_shows_the_state_of_the_server(lab: Lab) -> None:
    with lab.notebook(SUMMARY) as page:
        summary = panel(page, "Summary")
        expect(summary.locator("tbody th")).to_have_text(["scenes", "tiles"])
        expect(summary).to_have_attribute("data-transport", "FetchTransport")
        # total, DONE, FAILED, RETRY, PENDING, NEW
        assert counts(summary, "scenes") == ["4", "2", "0", "1", "1", "0"]
        assert summary.locator(".wm-bar").first.get_attribute("aria-label") == "scenes: 2 done, 1 retry, 1 pending"
        expect(summary.get_by_text("10 root tiles")).to_be_visible()


def test_the_summary_follows_the_server_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(SUMMARY, BUSY) as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()
        call(lab.server, "PUT", "scene/3/retry")
        expect(summary.get_by_role("button", name="Nothing to retry")).to_be_visible()
        assert counts(summary, "scenes")[3:5] == ["0", "2"]


def test_a_button_works_while_a_cell_runs_after_confirmation(lab: Lab) -> None:
    with lab.notebook(SUMMARY, BUSY) as page:
        summary = panel(page, "Summary")
        summary.get_by_role("button", name="Retry 1 item…").click()
        dialog = summary.locator("dialog")
        expect(dialog).to_contain_text("Retry the item in RETRY?")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_have_count(0)
        assert status_of(lab) == "RETRY"
        retry_all(summary)
        expect(summary.get_by_text("Retried 1 scene and 0 tiles.")).to_be_visible()
        assert status_of(lab) == "PENDING"
        assert call(lab.server, "GET", "aoi/DenmarkS1/history?type=scene&id=3")[-1]["who"] == "Åse 北"


def test_a_button_works_after_the_kernel_has_died(lab: Lab) -> None:
    with lab.notebook(SUMMARY, MORTAL) as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()
        kill_kernel(lab, page)
        retry_all(summary)
        expect(summary.get_by_text("Retried 1 scene")).to_be_visible()
        assert status_of(lab) == "PENDING"


def test_failures_are_retried_by_keyboard(lab: Lab) -> None:
    with lab.notebook(FAILURES) as page:
        failures = panel(page, "Failures")
        group = failures.locator("summary", has_text="badly formatted storage uri")
        group.focus()
        page.keyboard.press("Enter")
        expect(failures.locator("pre")).to_be_visible()
        page.keyboard.press("Tab")
        expect(failures.get_by_role("button", name=re.compile("^Retry 1"))).to_be_focused()
        page.keyboard.press("Enter")
        expect(failures.locator("dialog")).to_contain_text("Retry 1 scene with this message?")
        page.keyboard.press("Escape")
        expect(failures.locator("dialog")).to_have_count(0)
        assert status_of(lab) == "RETRY"
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        expect(failures.get_by_text("1 scene retried.")).to_be_visible()
        expect(failures.get_by_text("No failures.")).to_be_visible()
        assert status_of(lab) == "PENDING"


def test_a_group_is_failed(lab: Lab) -> None:
    with lab.notebook(FAILURES) as page:
        failures = panel(page, "Failures")
        failures.locator("summary", has_text="badly formatted storage uri").click()
        failures.get_by_role("button", name=re.compile("^Fail 1")).click()
        expect(failures.locator("dialog")).to_contain_text("FAILED items leave the graph")
        failures.locator("dialog").get_by_role("button", name="Fail", exact=True).click()
        expect(failures.get_by_text("1 scene failed.")).to_be_visible()
        assert status_of(lab) == "FAILED"


def test_hostile_names_and_messages_are_shown_and_never_run(lab: Lab) -> None:
    name = "<script>alert(0)</script>"
    call(lab.server, "POST", "aoi/%3Cscript%3Ealert(0)%3C%2Fscript%3E")
    scene = {"aoi": name, "source_id": HOSTILE[:60], "data": {"tiles": {"T": {}}}, "tiles": {"T": {"data": {}}}}
    scene_id = call(lab.server, "POST", "aoi/%3Cscript%3Ealert(0)%3C%2Fscript%3E/scene", scene)["id"]
    failed = {"type": "scene", "id": scene_id, "status": "FAILED", "message": HOSTILE}
    assert call(lab.server, "POST", "results", [failed])["applied"] == 1
    with lab.notebook(f"aoi = m[{name!r}]\naoi.panels.summary()", "aoi.panels.failures()") as page:
        expect(panel(page, "Summary").locator("h3")).to_have_text(name)
        failures = panel(page, "Failures")
        # the scene, and the tile that failed with it
        expect(failures.locator("summary", has_text="<img src=x onerror=")).to_have_count(2)
        assert failures.locator("img, script").count() == 0
        assert page.locator(".wm-panel img, .wm-panel script").count() == 0


def test_requests_go_through_the_kernel_on_the_page_of_another_server(lab: Lab) -> None:
    other = 'panel = aoi.panels.summary(); panel.instance = "another"; panel'
    with lab.notebook(other) as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()
        expect(summary).to_have_attribute("data-transport", "CommTransport")
        retry_all(summary)
        expect(summary.get_by_text("Retried 1 scene")).to_be_visible()
        assert status_of(lab) == "PENDING"
        call(lab.server, "PUT", "scene/3/force/RETRY")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()


def test_a_reloaded_page_shows_the_current_state(lab: Lab) -> None:
    with lab.notebook(SUMMARY) as page:
        expect(panel(page, "Summary").get_by_role("button", name="Retry 1 item…")).to_be_visible()
        page.keyboard.press("Control+s")
        expect(page.locator(".jp-Document.jp-mod-dirty, .jp-mod-dirty")).to_have_count(0)
        call(lab.server, "PUT", "scene/3/retry")
        page.reload()
        expect(panel(page, "Summary").get_by_role("button", name="Nothing to retry")).to_be_visible()


def test_a_server_that_goes_away_and_comes_back(browser: Browser, seeded_store: Path, tmp_path: Path) -> None:
    with running_lab(tmp_path, seeded_store, browser) as lab, lab.notebook(SUMMARY) as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()
        lab.server.process.terminate()
        lab.server.process.wait(30)
        offline = summary.get_by_text(re.compile(r"Server unreachable since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))
        expect(offline).to_be_visible()
        port = urlsplit(lab.server.base_url).port or 0
        with live_server(tmp_path, "/user/eva/", port=port, lab=True) as again:
            expect(offline).to_have_count(0)
            call(again, "PUT", "scene/3/retry")
            expect(summary.get_by_role("button", name="Nothing to retry")).to_be_visible()


def test_panels_share_one_stream(lab: Lab) -> None:
    with lab.notebook(*[SUMMARY] * 4, *[FAILURES] * 4) as page:
        expect(page.locator('.wm-panel[data-transport="FetchTransport"] header')).to_have_count(8)
        assert page.evaluate('globalThis[Symbol.for("workflow-monitor.streams")].size') == 1
        retry_all(page.locator('.wm-panel[aria-label^="Summary"]').first)
        for failures in page.locator('.wm-panel[aria-label^="Failures"]').all():
            expect(failures).not_to_contain_text("badly formatted")

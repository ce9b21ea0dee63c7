"""The panels in JupyterLab: what they show, how they follow, and that their buttons work at any time."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.lab import MORTAL, Lab, kill_kernel, panel, running_lab, status_of
from tests.example_servers import call
from tests.server_process import live_server

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")

SUMMARY, FAILURES = "aoi.panels.summary()", "aoi.panels.failures()"
HOSTILE = '<img src=x onerror="alert(1)">\n</code><script>alert(2)</script>"\'\u202e' + "x" * 10_000


def numbers(summary: Locator, part: str) -> list[str]:
    row = summary.locator("tbody tr", has=summary.page.locator(f'th:text-is("{part}")'))
    return [text.strip() for text in row.locator("td").all_inner_texts()]


def retry_all(summary: Locator) -> None:
    summary.get_by_role("button", name=re.compile("^Retry all")).click()
    summary.locator("dialog").get_by_role("button", name="Retry").click()


def test_the_summary_shows_what_the_server_knows(lab: Lab) -> None:
    with lab.notebook(SUMMARY) as page:
        summary = panel(page, "Summary")
        expect(summary.locator("tbody th")).to_have_text(["scenes", "tiles"])
        expect(summary).to_have_attribute("data-transport", "Direct")
        # total, DONE, FAILED, RETRY, PENDING, NEW
        assert numbers(summary, "scenes") == ["4", "2", "0", "1", "1", "0"]
        assert summary.locator(".wm-bar").first.get_attribute("aria-label") == "scenes: 2 done, 1 retry, 1 pending"
        expect(summary.get_by_text("10 root tiles")).to_be_visible()


def test_what_changes_on_the_server_shows_by_itself_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(SUMMARY, "import time; time.sleep(120)") as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible()
        call(lab.server, "PUT", "scene/3/retry")
        expect(summary.get_by_role("button", name="Nothing waits for a person")).to_be_visible(timeout=5_000)
        assert numbers(summary, "scenes")[3:5] == ["0", "2"]


def test_a_button_works_while_a_cell_runs_and_asks_first(lab: Lab) -> None:
    with lab.notebook(SUMMARY, "import time; time.sleep(120)") as page:
        summary = panel(page, "Summary")
        summary.get_by_role("button", name="Retry all 1 …").click()
        dialog = summary.locator("dialog")
        expect(dialog).to_contain_text("Send all 1 that wait for a person")
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
        expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible()
        kill_kernel(lab, page)
        retry_all(summary)
        expect(summary.get_by_text("Retried 1 scene")).to_be_visible()
        assert status_of(lab) == "PENDING"


def test_failures_are_repaired_by_keyboard_alone(lab: Lab) -> None:
    with lab.notebook(FAILURES) as page:
        failures = panel(page, "Failures")
        group = failures.locator("summary", has_text="badly formatted storage uri")
        group.focus()
        page.keyboard.press("Enter")
        expect(failures.locator("pre")).to_be_visible()
        page.keyboard.press("Tab")
        expect(failures.get_by_role("button", name=re.compile("^Retry 1"))).to_be_focused()
        page.keyboard.press("Enter")
        expect(failures.locator("dialog")).to_contain_text("Send 1 scene with this failure to the workers again?")
        page.keyboard.press("Escape")
        expect(failures.locator("dialog")).to_have_count(0)
        assert status_of(lab) == "RETRY"
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        expect(failures.get_by_text("1 scene retried.")).to_be_visible()
        expect(failures.get_by_text("Nothing has failed.")).to_be_visible()
        assert status_of(lab) == "PENDING"


def test_a_group_is_given_up(lab: Lab) -> None:
    with lab.notebook(FAILURES) as page:
        failures = panel(page, "Failures")
        failures.locator("summary", has_text="badly formatted storage uri").click()
        failures.get_by_role("button", name=re.compile("^Give up 1")).click()
        expect(failures.locator("dialog")).to_contain_text("The graph closes over them")
        failures.locator("dialog").get_by_role("button", name="Give up").click()
        expect(failures.get_by_text("1 scene given up.")).to_be_visible()
        assert status_of(lab) == "FAILED"


def test_hostile_names_and_messages_are_shown_and_never_run(lab: Lab) -> None:
    name = "<script>alert(0)</script>"
    call(lab.server, "POST", "aoi/%3Cscript%3Ealert(0)%3C%2Fscript%3E")
    scene = {"aoi": name, "source_id": HOSTILE[:60], "data": {"tiles": {"T": {}}}, "tiles": {"T": {"data": {}}}}
    number = call(lab.server, "POST", "aoi/%3Cscript%3Ealert(0)%3C%2Fscript%3E/scene", scene)["id"]
    failed = {"type": "scene", "id": number, "status": "FAILED", "message": HOSTILE}
    assert call(lab.server, "POST", "results", [failed])["applied"] == 1
    with lab.notebook(f"aoi = m[{name!r}]\naoi.panels.summary()", "aoi.panels.failures()") as page:
        expect(panel(page, "Summary").locator("h3")).to_have_text(name)
        failures = panel(page, "Failures")
        expect(failures.locator("summary", has_text="<img src=x onerror=")).to_have_count(1)
        assert failures.locator("img, script").count() == 0
        assert page.locator(".wm-panel img, .wm-panel script").count() == 0


def test_where_the_page_is_not_the_servers_own_all_goes_through_the_kernel(lab: Lab) -> None:
    other = 'panel = aoi.panels.summary(); panel.instance = "another"; panel'
    with lab.notebook(other) as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible()
        expect(summary).to_have_attribute("data-transport", "ThroughKernel")
        retry_all(summary)
        expect(summary.get_by_text("Retried 1 scene")).to_be_visible()
        assert status_of(lab) == "PENDING"
        call(lab.server, "PUT", "scene/3/force/RETRY")
        expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible(timeout=10_000)


def test_a_reloaded_page_shows_the_state_of_now(lab: Lab) -> None:
    with lab.notebook(SUMMARY) as page:
        expect(panel(page, "Summary").get_by_role("button", name="Retry all 1 …")).to_be_visible()
        page.keyboard.press("Control+s")
        expect(page.locator(".jp-Document.jp-mod-dirty, .jp-mod-dirty")).to_have_count(0)
        call(lab.server, "PUT", "scene/3/retry")
        page.reload()
        expect(panel(page, "Summary").get_by_role("button", name="Nothing waits for a person")).to_be_visible()


def test_a_server_that_goes_away_and_comes_back(browser: Browser, seeded_store: Path, tmp_path: Path) -> None:
    with running_lab(tmp_path, seeded_store, browser) as lab, lab.notebook(SUMMARY) as page:
        summary = panel(page, "Summary")
        expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible()
        lab.server.process.terminate()
        lab.server.process.wait(30)
        away = summary.get_by_text(re.compile(r"the server is away since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))
        expect(away).to_be_visible(timeout=15_000)
        port = urlsplit(lab.server.base_url).port or 0
        with live_server(tmp_path, "/user/eva/", port=port, lab=True) as again:
            expect(away).to_have_count(0, timeout=15_000)
            call(again, "PUT", "scene/3/retry")
            expect(summary.get_by_role("button", name="Nothing waits for a person")).to_be_visible(timeout=15_000)


def test_panels_share_one_stream(lab: Lab) -> None:
    with lab.notebook(*[SUMMARY] * 4, *[FAILURES] * 4) as page:
        expect(page.locator('.wm-panel[data-transport="Direct"] header')).to_have_count(8, timeout=60_000)
        assert page.evaluate('globalThis[Symbol.for("workflow-monitor.streams")].size') == 1
        retry_all(page.locator('.wm-panel[aria-label^="Summary"]').first)
        for one in page.locator('.wm-panel[aria-label^="Failures"]').all():
            expect(one).not_to_contain_text("badly formatted", timeout=10_000)

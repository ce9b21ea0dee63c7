from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab, panel
from tests.example_servers import call

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")


def test_numbers_over_time_and_what_is_running(lab: Lab) -> None:
    worker = '<b onclick="alert(1)">Åse</b>'
    call(lab.server, "POST", "jobs/processor/lease", {"max": 1, "seconds": 600, "worker": worker})
    with lab.notebook("aoi.panels.timeline()", "import time; time.sleep(120)") as page:
        shown = panel(page, "Timeline")
        expect(shown.locator(".wm-area")).to_have_count(5)
        running = shown.locator(".wm-running")
        expect(running.locator("tr").first).to_contain_text(worker)
        assert shown.locator(".wm-running b").count() == 0
        told = shown.locator(".wm-facts")
        shown.get_by_label("Of what").select_option("scenes")
        expect(told).to_contain_text("RETRY 1")
        call(lab.server, "PUT", "scene/3/retry")
        expect(told).to_contain_text("RETRY 0", timeout=5_000)


def test_the_numbers_at_a_time_by_keyboard(lab: Lab) -> None:
    with lab.notebook("aoi.panels.timeline()") as page:
        shown = panel(page, "Timeline")
        expect(shown.locator(".wm-area")).to_have_count(5)
        # longer ago than any of these tests
        shown.get_by_label("Range").select_option("1440")
        told = shown.locator(".wm-facts")
        expect(told).to_contain_text(re.compile(r"\d\d:\d\d:\d\d UTC"))
        chart = shown.locator(".wm-chart")
        chart.press("PageUp")
        chart.press("PageUp")
        expect(shown.locator(".wm-cursor")).to_have_attribute("visibility", "visible")
        expect(told).to_contain_text("PENDING 0")
        assert "Arrow keys" in (chart.get_attribute("aria-label") or "")

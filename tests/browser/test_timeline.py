from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lab import BUSY, Lab, panel
from tests.example_servers import call

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")


def test_counts_over_time_and_running_jobs(lab: Lab) -> None:
    worker = '<b onclick="alert(1)">Åse</b>'
    call(lab.server, "POST", "jobs/processor/lease", {"max": 1, "seconds": 600, "worker": worker})
    with lab.notebook("aoi.panels.timeline()", BUSY) as page:
        timeline = panel(page, "Timeline")
        expect(timeline.locator(".wm-area")).to_have_count(5)
        running = timeline.locator(".wm-running")
        expect(running.locator("tr").first).to_contain_text(worker)
        assert timeline.locator(".wm-running b").count() == 0
        details = timeline.locator(".wm-facts")
        timeline.get_by_label("Item type").select_option("scenes")
        expect(details).to_contain_text("RETRY 1")
        call(lab.server, "PUT", "scene/3/retry")
        expect(details).to_contain_text("RETRY 0")


def test_counts_at_a_time_by_keyboard(lab: Lab) -> None:
    with lab.notebook("aoi.panels.timeline()") as page:
        timeline = panel(page, "Timeline")
        expect(timeline.locator(".wm-area")).to_have_count(5)
        # A day ago the store was empty.
        timeline.get_by_label("Time range").select_option("1440")
        details = timeline.locator(".wm-facts")
        expect(details).to_contain_text(re.compile(r"\d\d:\d\d:\d\d UTC"))
        chart = timeline.locator(".wm-chart")
        chart.press("PageUp")
        chart.press("PageUp")
        expect(timeline.locator(".wm-cursor")).to_have_attribute("visibility", "visible")
        expect(details).to_contain_text("PENDING 0")
        assert "arrow keys" in (chart.get_attribute("aria-label") or "")

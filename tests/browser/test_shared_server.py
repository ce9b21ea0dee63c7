"""Panels in a JupyterLab that passes on to `workflow-monitor serve`: live, with buttons, and no other address for the browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.lab import Lab, panel
from tests.example_servers import call
from tests.server_process import TOKEN, LiveServer, live_server, served


@dataclass
class Shared:
    """The JupyterLab of a user, and the server behind it that has the store."""

    lab: Lab
    behind: LiveServer


@pytest.fixture(scope="module")
def shared_server(browser: Browser, seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    there, here = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("own")
    shutil.copy(seeded_store, there / "workflow.duckdb")
    with served(there, base_url="/services/ingestion/") as behind:
        traits: dict[str, Any] = {"upstream": behind.base_url, "upstream_token": TOKEN, "store_url": ""}
        with live_server(here, "/user/eva/", lab=True, **traits) as own:
            yield Shared(Lab(own, here, browser), behind)


def test_panels_are_live_and_their_buttons_work(shared_server: Shared) -> None:
    """The page itself is watched for requests to others."""
    behind = shared_server.behind
    with shared_server.lab.notebook("aoi.panels.summary()", "import time; time.sleep(120)") as page:
        summary = panel(page, "Summary")
        expect(summary).to_have_attribute("data-transport", "Direct")
        expect(summary.get_by_role("button", name="Retry all 1 …")).to_be_visible()
        # What others do shows by itself, though a cell runs,
        call(behind, "PUT", "scene/3/force/FAILED")
        expect(summary.get_by_role("button", name="Nothing waits for a person")).to_be_visible(timeout=10_000)
        call(behind, "PUT", "scene/3/force/RETRY")
        summary.get_by_role("button", name=re.compile("^Retry all 1")).click(timeout=10_000)
        # and what is done here is done there.
        summary.locator("dialog").get_by_role("button", name="Retry").click()
        expect(summary.get_by_text("Retried 1 scene and 0 tiles.")).to_be_visible()
    last = call(behind, "GET", "aoi/DenmarkS1/history?type=scene&id=3")[-1]
    assert (last["to"], last["who"]) == ("PENDING", "Åse 北")
    assert not (shared_server.lab.folder / "data" / "workflow_monitor").exists()

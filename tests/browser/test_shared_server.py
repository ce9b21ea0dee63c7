"""Panels in a JupyterLab that forwards to `workflow-monitor serve`, through which all requests of the browser go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.lab import BUSY, Lab, new_context, panel
from tests.example_servers import call
from tests.server_process import TOKEN, LiveServer, live_server, served


@dataclass
class Shared:
    """The JupyterLab of a user, and the upstream server with the store."""

    lab: Lab
    upstream: LiveServer


@pytest.fixture(scope="module")
def shared_server(browser: Browser, seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    upstream_folder, lab_folder = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("own")
    shutil.copy(seeded_store, upstream_folder / "workflow.duckdb")
    with served(upstream_folder, base_url="/services/ingestion/") as upstream:
        traits: dict[str, Any] = {"upstream": upstream.base_url, "upstream_token": TOKEN, "store_url": ""}
        with live_server(lab_folder, "/user/eva/", lab=True, **traits) as own:
            yield Shared(Lab(own, lab_folder, browser, new_context(browser)), upstream)


def test_panels_are_live_and_their_buttons_work(shared_server: Shared) -> None:
    """`notebook` asserts that the page sends no requests to other hosts."""
    upstream = shared_server.upstream
    with shared_server.lab.notebook("aoi.panels.summary()", BUSY) as page:
        summary = panel(page, "Summary")
        expect(summary).to_have_attribute("data-transport", "FetchTransport")
        expect(summary.get_by_role("button", name="Retry 1 item…")).to_be_visible()
        # Actions of other users are visible while a cell runs.
        call(upstream, "PUT", "scene/3/force/FAILED")
        expect(summary.get_by_role("button", name="Nothing to retry")).to_be_visible()
        call(upstream, "PUT", "scene/3/force/RETRY")
        summary.get_by_role("button", name=re.compile("^Retry 1")).click()
        summary.locator("dialog").get_by_role("button", name="Retry").click()
        expect(summary.get_by_text("Retried 1 scene and 0 tiles.")).to_be_visible()
    last = call(upstream, "GET", "aoi/DenmarkS1/history?type=scene&id=3")[-1]
    assert (last["to"], last["who"]) == ("PENDING", "Åse 北")
    assert not (shared_server.lab.folder / "data" / "workflow_monitor").exists()

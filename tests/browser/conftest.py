"""One Chromium, and a JupyterLab for each test module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import OPTIONS, Lab, running_lab
from tests.example_servers import MESSAGE, call


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """No event loop of pytest-jupyter's: Playwright runs its own, and no server is in this process."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Nothing to clean up in that loop."""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=[*OPTIONS])
        yield running
        running.close()


@pytest.fixture
def one_scene_in_retry(lab: Lab) -> None:
    """DenmarkS1 with scene 3 in RETRY, for a reason."""
    call(lab.server, "PUT", "scene/3/force/PENDING")
    call(lab.server, "POST", "results", [{"type": "scene", "id": 3, "status": "RETRY", "message": MESSAGE}])


@pytest.fixture(scope="module")
def lab(browser: Browser, seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), seeded_store, browser) as running:
        yield running

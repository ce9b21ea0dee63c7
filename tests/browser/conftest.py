"""One Chromium and one JupyterLab per test module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import OPTIONS, Lab, running_lab
from tests.example_servers import MESSAGE, call

#: Limit per test, in seconds. A test takes about 5 s on an idle machine.
TEST_TIMEOUT = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT))


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Replace the event loop of pytest-jupyter: Playwright runs its own."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """Replace the cleanup of pytest-jupyter: no server runs in this process."""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=[*OPTIONS])
        yield running
        running.close()


@pytest.fixture(scope="module")
def lab(browser: Browser, seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), seeded_store, browser) as running:
        yield running


@pytest.fixture
def one_scene_in_retry(lab: Lab) -> None:
    """Set scene 3 of DenmarkS1 to RETRY, with a message."""
    call(lab.server, "PUT", "scene/3/force/PENDING")
    call(lab.server, "POST", "results", [{"type": "scene", "id": 3, "status": "RETRY", "message": MESSAGE}])

"""Pruning of old events at the interval of the traits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.server.conftest import Fetch


@pytest.fixture
def traits() -> dict[str, Any]:
    return {"prune_seconds": 0.1, "keep_events_days": 0.0}


async def test_old_events_are_pruned(jp_serverapp: Any, fetch: Fetch) -> None:
    jp_serverapp.web_app.settings["workflow_monitor"].backend.start_maintenance()
    await fetch("POST", "/aoi/Fyn")
    async with asyncio.timeout(60):
        while (await fetch("GET", "/aoi/Fyn/history")).json():
            await asyncio.sleep(0.05)
    assert (await fetch("GET", "/aoi/Fyn")).status == 200

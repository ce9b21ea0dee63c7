"""Simulated workers against a Jupyter server, until only items in RETRY and their successors are left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from workflow_monitor.client.errors import RequestRejected
from workflow_monitor.demo.connection import Connection
from workflow_monitor.demo.ingestions import denmark_s1, denmark_s2
from workflow_monitor.demo.jupyter import Jupyter, free_port
from workflow_monitor.demo.run import ingest
from workflow_monitor.demo.workers import SimulationSpeed, WorkerFate, WorkerPool, fate_of, is_idle

FAST = SimulationSpeed(speed=200)
UNFINISHED = ("RETRY", "NEW", "PENDING")


def jupyter_in(folder: Path, port: int | None = None) -> Jupyter:
    return Jupyter(
        folder=folder,
        port=port or free_port(9400),
        token="workers-test",
        lab=False,
        browser=False,
        notebook="",
    )


@contextlib.asynccontextmanager
async def running_workers(pool: WorkerPool) -> AsyncIterator[None]:
    task = asyncio.create_task(pool.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_idle(connection: Connection) -> None:
    async with asyncio.timeout(300):
        while not await is_idle(connection):
            await asyncio.sleep(0.2)


async def list_items(connection: Connection, path: str) -> list[Any]:
    answer = await connection.call("GET", path)
    assert isinstance(answer, list)
    return answer


async def check_remaining_items(connection: Connection) -> None:
    """Check that no item is PENDING and that each NEW item depends on an item in RETRY."""
    scenes = {scene["id"]: scene["status"] for scene in await list_items(connection, "aoi/*/scenes")}
    tiles = {tile["id"]: tile for tile in await list_items(connection, "aoi/*/tiles")}
    assert set(scenes.values()) <= {"DONE", "RETRY", "FAILED"}
    for tile in tiles.values():
        assert tile["status"] != "PENDING"
        if tile["status"] == "NEW":
            previous = tiles.get(tile["PreviousID"], {"status": "DONE"})["status"]
            assert scenes[tile["scene"]["id"]] == "RETRY" or previous in {"NEW", "RETRY"}


def test_workers_finish_the_ingestion_and_resume_after_a_retry(tmp_path: Path) -> None:
    async def scenario() -> None:
        jupyter = jupyter_in(tmp_path)
        async with jupyter.running(), Connection(jupyter.url, jupyter.token) as connection:
            await ingest(connection, denmark_s1(dates=4))
            await ingest(connection, denmark_s2(rounds=3))
            pool = WorkerPool(connection, FAST)
            async with running_workers(pool):
                await until_idle(connection)
                await check_remaining_items(connection)
                waiting = [
                    *await list_items(connection, "aoi/*/scenes/RETRY"),
                    *await list_items(connection, "aoi/*/tiles/RETRY"),
                ]
                assert waiting
                assert all(item["message"] for item in waiting)
                for _ in range(20):
                    if await connection.call("PUT", "aoi/*/retry") is None:
                        break
                    await until_idle(connection)
            for status in UNFINISHED:
                assert await list_items(connection, f"aoi/*/scenes/{status}") == []
                assert await list_items(connection, f"aoi/*/tiles/{status}") == []
            assert pool.outcomes["applied"] > 150
            assert pool.outcomes["unknown"] == 0

    asyncio.run(scenario())


def test_jobs_of_dead_workers_expire_and_late_results_are_ignored(tmp_path: Path) -> None:
    async def scenario() -> None:
        jupyter = jupyter_in(tmp_path)
        async with jupyter.running(), Connection(jupyter.url, jupyter.token) as connection:
            await ingest(connection, denmark_s2(rounds=3))
            async with running_workers(
                WorkerPool(connection, SimulationSpeed(speed=200, seed=2, deaths=0.3, late=0.3))
            ):
                await until_idle(connection)
            await check_remaining_items(connection)
            history = await list_items(connection, "aoi/DenmarkS2/history")
            assert "lease expired" in {event["cause"] for event in history}

    asyncio.run(scenario())


def test_workers_wait_for_a_server_that_restarts(tmp_path: Path) -> None:
    async def scenario() -> None:
        jupyter = jupyter_in(tmp_path)
        async with Connection(jupyter.url, jupyter.token) as connection:
            async with jupyter.running():
                await ingest(connection, denmark_s1(dates=3))
                workers = WorkerPool(connection, SimulationSpeed(speed=20))
                task = asyncio.create_task(workers.run())
                async with asyncio.timeout(300):
                    while not workers.outcomes:
                        await asyncio.sleep(0.05)
                assert not await is_idle(connection)
            await asyncio.sleep(0.5)
            assert not task.done()
            async with jupyter_in(tmp_path, jupyter.port).running():
                await until_idle(connection)
                await check_remaining_items(connection)
                assert not task.done()
                task.cancel()
                await asyncio.wait([task])

    asyncio.run(scenario())


def test_workers_stop_on_a_wrong_token(tmp_path: Path) -> None:
    async def scenario() -> None:
        jupyter = jupyter_in(tmp_path)
        async with jupyter.running(), Connection(jupyter.url, "wrong") as connection:
            with pytest.raises(RequestRejected):
                await asyncio.wait_for(WorkerPool(connection, FAST).run(), 300)

    asyncio.run(scenario())


def test_batch_fates_have_the_configured_rates() -> None:
    fates = [fate_of("downloader-1", batch, SimulationSpeed(deaths=0.2, late=0.1)) for batch in range(2000)]
    assert fates.count(WorkerFate.DIES) / 2000 == pytest.approx(0.2, abs=0.03)
    assert fates.count(WorkerFate.COMES_LATE) / 2000 == pytest.approx(0.1, abs=0.03)

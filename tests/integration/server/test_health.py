"""Health check without a token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.server.conftest import Fetch
from tests.integration.server.test_database_outage import END_ALL
from tests.postgres import PostgreSQL
from tests.server_process import TOKEN, live_server
from workflow_monitor.engine.queries import Queries


async def test_a_caller_without_a_token_receives_a_status_only(fetch: Fetch) -> None:
    for method in ("GET", "HEAD"):
        for headers in ({}, {"Authorization": "token of-nobody"}):
            response = await fetch(method, "/healthz", headers=headers, authorized=False)
            assert (response.status, response.body) == (200, b"")
            assert not {"Set-Cookie", "Content-Type"} & set(response.headers)


async def test_errors_have_no_body_either(fetch: Fetch) -> None:
    for method, status in (("POST", 403), ("PURGE", 405)):
        response = await fetch(method, "/healthz", authorized=False)
        assert (response.status, response.body) == (status, b"")


async def test_concurrent_checks_share_one_read(jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (extension,) = jp_serverapp.extension_manager.extension_apps["workflow_monitor"]
    reads = []
    monkeypatch.setattr(Queries, "newest_event", lambda _: reads.append(1))
    await asyncio.gather(*(extension.backend.check_health() for _ in range(100)))
    assert len(reads) == 1
    await extension.backend.check_health()
    assert len(reads) == 2


def test_a_server_without_its_store_is_not_healthy(tmp_path: Path, postgresql: PostgreSQL, postgres_url: str) -> None:
    with (
        live_server(tmp_path / "shared", store_url=postgres_url) as shared,
        live_server(tmp_path / "user", upstream=shared.base_url, upstream_token=TOKEN) as user,
        httpx.Client(timeout=60) as http,
        psycopg.connect(postgresql.url("postgres"), autocommit=True) as admin,
    ):
        healths = [f"{server.url}/healthz" for server in (shared, user)]
        assert [http.get(health).status_code for health in healths] == [200, 200]
        name = postgres_url.rpartition("/")[2]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            admin.execute(END_ALL, (name,))
            responses = [http.get(health) for health in healths]
            assert [(response.status_code, response.content) for response in responses] == [(503, b"")] * 2
            assert {response.headers["Retry-After"] for response in responses} == {"5"}
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        shared.process.terminate()
        shared.process.wait(60)
        assert http.get(healths[1]).status_code == 503


def test_a_server_that_never_opened_its_store_is_not_healthy(tmp_path: Path) -> None:
    with live_server(tmp_path, store_url="postgresql://nobody@127.0.0.1:9/none", ready="healthz") as server:
        response = httpx.get(f"{server.url}/healthz")
        assert (response.status_code, response.content) == (503, b"")

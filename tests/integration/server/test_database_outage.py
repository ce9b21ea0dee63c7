"""Behaviour of a server during and after an outage of its database."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.integration.server.conftest import scene
from tests.postgres import PostgreSQL
from tests.server_process import TOKEN, LiveServer, live_server

HEADERS = {"Authorization": f"token {TOKEN}", "Accept": "application/problem+json"}
END_ALL = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"


def follow(server: LiveServer, events: list[dict[str, Any]]) -> threading.Thread:
    """Read the stream of events from its beginning to the creation of the AOI `Last`."""

    def run() -> None:
        headers = {"Authorization": f"token {TOKEN}", "Last-Event-ID": "0"}
        with httpx.stream("GET", f"{server.url}/events", headers=headers, timeout=120, trust_env=False) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
                    if events[-1]["aoi"] == "Last":
                        return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def until(http: httpx.Client, method: str, path: str, status: int) -> httpx.Response:
    deadline = time.monotonic() + 120
    while (response := http.request(method, path)).status_code != status:
        assert response.status_code in {status, 503}, response.text
        assert time.monotonic() < deadline, response.text
        time.sleep(0.2)
    return response


def test_requests_fail_during_an_outage_and_succeed_after_it(
    postgresql: PostgreSQL, postgres_url: str, tmp_path: Path
) -> None:
    name = postgres_url.rpartition("/")[2]
    events: list[dict[str, Any]] = []
    with (
        live_server(tmp_path / "first", store_url=postgres_url) as server,
        live_server(tmp_path / "second", store_url=postgres_url) as other,
        httpx.Client(base_url=server.url, headers=HEADERS, timeout=60) as http,
        psycopg.connect(postgresql.url("postgres"), autocommit=True) as admin,
    ):
        follower = follow(other, events)
        http.post("/aoi/Fyn").raise_for_status()
        http.post("/aoi/Fyn/scene", json=scene("s1")).raise_for_status()
        while not any(event["type"] == "scene" for event in events):
            assert follower.is_alive()
            time.sleep(0.05)
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            admin.execute(END_ALL, (name,))
            problem = http.post("/aoi/Fyn/scene", json=scene("s2"))
            assert problem.status_code == 503, problem.text
            assert "Nothing of this request was stored" in problem.json()["detail"]
            assert http.get("/aoi/Fyn/scenes").status_code == 503
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        assert [item["source_id"] for item in until(http, "GET", "/aoi/Fyn/scenes", 200).json()] == ["s1"]
        http.post("/aoi/Fyn/scene", json=scene("s2")).raise_for_status()
        # Connections lost between two requests are replaced without an error.
        admin.execute(END_ALL, (name,))
        http.post("/aoi/Fyn/scene", json=scene("s3")).raise_for_status()
        http.post("/aoi/Last").raise_for_status()
        follower.join(60)
        assert not follower.is_alive()
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert [event["id"] for event in events if event["type"] == "scene"] == [1, 2, 3]

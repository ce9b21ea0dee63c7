"""Backups over HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.server.conftest import Add, Fetch


class TestBackups:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"keep_backups": 2}

    async def test_backups_are_listed_and_the_oldest_is_pruned(self, fetch: Fetch, add: Add, store_path: Path) -> None:
        assert (await fetch("GET", "/backups")).json() == []
        await add()
        responses = [await fetch("POST", "/backups") for _ in range(3)]
        assert [response.status for response in responses] == [201] * 3
        documents = [response.json() for response in responses]
        assert (await fetch("GET", "/backups")).json() == documents[:0:-1]
        for document in documents:
            assert re.fullmatch(rf"{store_path}\.backups/\d{{8}}T\d{{6}}Z\.duckdb", document["file"])
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["made"])
        assert Path(documents[2]["file"]).stat().st_size == documents[2]["bytes"]

    async def test_a_client_cannot_choose_the_path(self, fetch: Fetch, add: Add, tmp_path: Path) -> None:
        await add()
        response = await fetch("POST", "/backups?file=/tmp/elsewhere", {"file": f"{tmp_path}/elsewhere"})
        assert "elsewhere" not in response.text
        assert not (tmp_path / "elsewhere").exists()


class TestInMemory:
    @pytest.fixture
    def traits(self) -> dict[str, Any]:
        return {"store_url": "duckdb:///:memory:"}

    async def test_a_store_in_memory_has_no_backups(self, fetch: Fetch) -> None:
        assert "in-memory store has no backups" in (await fetch("POST", "/backups")).problem(409)["detail"]
        assert (await fetch("GET", "/backups")).json() == []

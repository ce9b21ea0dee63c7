"""The contract of `workflow_monitor.testing.StoreContract` for each store of this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_monitor.domain.status import ItemKind
from workflow_monitor.store import graph_reader, reader
from workflow_monitor.store import open_store as open_by_url
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing import StoreContract


class SQLContract(StoreContract):
    def shorten(self, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
        monkeypatch.setattr(reader, "CHUNK", length)
        monkeypatch.setattr(graph_reader, "CHUNK", length)
        monkeypatch.setattr(reader, "BATCH", dict.fromkeys(ItemKind, length))


class TestDuckDB(SQLContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: open_by_url(f"duckdb:///{tmp_path}/workflow.duckdb")


class TestPostgres(SQLContract):
    @pytest.fixture
    def open_store(self, postgres_url: str) -> Callable[[], Store]:
        return lambda: open_by_url(postgres_url)

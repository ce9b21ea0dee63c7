"""Fixtures shared by the parts of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing.engine_harness import AOI, Running, engine_on


class StoreContractBase:
    """Base class of the parts; a subclass opens the store under test."""

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        """Return a function that opens the store: empty at first, the same store again after it was closed."""
        raise NotImplementedError

    def shorten(self, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
        """Limit chunks of lists to `length` items; override it if the store can do that."""

    @pytest.fixture
    def engine(self, open_store: Callable[[], Store]) -> Iterator[Running]:
        """An engine on the store, with one AOI."""
        with engine_on(open_store()) as engine:
            engine.do(CreateAOI(AOI))
            yield engine

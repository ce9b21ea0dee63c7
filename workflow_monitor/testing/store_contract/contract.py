"""What the parts of the contract have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing.engine_harness import AOI, Running, engine_on


class StoreContractBase:
    """Tests of a store, in memory or not, that a subclass opens."""

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        """Opens the store: an empty one at first, the same again when it has been closed; to be overridden."""
        raise NotImplementedError

    def shorten(self, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
        """Have lists come in chunks of so many, if that can be had."""

    @pytest.fixture
    def engine(self, open_store: Callable[[], Store]) -> Iterator[Running]:
        """An engine on the store, with one AOI."""
        with engine_on(open_store()) as engine:
            engine.do(CreateAOI(AOI))
            yield engine

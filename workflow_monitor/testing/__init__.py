"""What any store has to do, as tests that its makers run: a subclass of StoreContract says how the store is opened.

It needs pytest: `pip install workflow-monitor[test]`.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"workflow_monitor.testing.{part}" for part in ("aois", "documents", "engine", "graphs", "lists", "states"))
)

from workflow_monitor.testing.store import StoreContract  # noqa: E402 - its assertions are to be told in full

__all__ = ["StoreContract"]

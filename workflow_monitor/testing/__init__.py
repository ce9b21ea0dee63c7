"""Contract suites for stores and queues, as pytest classes.

Subclass StoreContract or QueueContract in a test module and override its fixture. For a store:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path: Path) -> Callable[[], Store]:
            return lambda: MyStore(f"mystore:///{tmp_path}/state")

They need pytest: `pip install workflow-monitor[test]`.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"workflow_monitor.testing.{part}"
        for part in (
            "engine_harness",
            "queue_contract",
            "store_contract.aois",
            "store_contract.documents",
            "store_contract.graphs",
            "store_contract.lists",
            "store_contract.snapshots",
        )
    )
)

# imported after the registration, which makes pytest show their failed assertions in full
from workflow_monitor.testing.queue_contract import QueueContract, QueueHarness, WorkerJob  # noqa: E402
from workflow_monitor.testing.store_contract import StoreContract  # noqa: E402

__all__ = ["QueueContract", "QueueHarness", "StoreContract", "WorkerJob"]

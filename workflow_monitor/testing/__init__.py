"""What any store and any queue has to do, as tests that their makers run.

A subclass of StoreContract or QueueContract says how it is opened. They need pytest: `pip install workflow-monitor[test]`.
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

# their assertions are to be told in full
from workflow_monitor.testing.queue_contract import QueueContract, QueueHarness, WorkerJob  # noqa: E402
from workflow_monitor.testing.store_contract import StoreContract  # noqa: E402

__all__ = ["QueueContract", "QueueHarness", "StoreContract", "WorkerJob"]

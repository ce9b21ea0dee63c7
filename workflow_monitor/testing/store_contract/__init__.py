"""The contract of a store."""

from __future__ import annotations

from workflow_monitor.testing.store_contract.aois import AOIContract
from workflow_monitor.testing.store_contract.documents import DocumentContract
from workflow_monitor.testing.store_contract.graphs import GraphContract
from workflow_monitor.testing.store_contract.lists import ListContract
from workflow_monitor.testing.store_contract.snapshots import SnapshotContract


class StoreContract(AOIContract, DocumentContract, ListContract, GraphContract, SnapshotContract):
    """All tests of the contract. A subclass overrides the fixture `open_store`; see `StoreContractBase`."""

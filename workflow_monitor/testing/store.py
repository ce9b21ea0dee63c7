"""All that any store has to do."""

from __future__ import annotations

from workflow_monitor.testing.aois import AOIContract
from workflow_monitor.testing.documents import DocumentContract
from workflow_monitor.testing.graphs import GraphContract
from workflow_monitor.testing.lists import ListContract
from workflow_monitor.testing.states import StateContract


class StoreContract(AOIContract, DocumentContract, ListContract, GraphContract, StateContract):
    """A subclass, whose name starts with Test, has a fixture `open_store`; see `Contract`."""

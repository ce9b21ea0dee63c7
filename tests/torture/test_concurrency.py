"""Concurrent clients at all endpoints: the result equals some sequential order of their commands."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import linearizability
from tests.concurrent_clients import ENDPOINTS, Connection, run_clients
from tests.disk_harness import running_on
from tests.invariants import found_wrong
from tests.scale import FACTOR, effort
from tests.server_process import live_server

CLIENTS = 64
SECONDS = effort(15, 300)
SEED = os.environ.get("WORKFLOW_MONITOR_SEED") or str(random.randrange(10**6))


@pytest.mark.torture
@pytest.mark.timeout(effort(3_600, 14_400))
def test_concurrent_commands_are_linearizable(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    print(f"WORKFLOW_MONITOR_SEED={SEED}")
    with live_server(tmp_path) as server:
        crowd, followers = run_clients([server.url], server.token, clients=CLIENTS, seconds=SECONDS, seed=SEED)
        assert crowd.failures == []
        connection = Connection(server.url, server.token)
        events = [linearizability.event_of(document) for document in followers[0].events]
        assert linearizability.illegal(events) == []
        model = linearizability.replay(events, crowd.acknowledged)
        assert linearizability.differences(connection, model) == []
        assert linearizability.strange_histories(connection, events) == []
        assert linearizability.taken_twice(crowd, model) == []
        connection.close()
    with running_on(tmp_path / "workflow.duckdb") as engine:
        assert found_wrong(engine) == []
    record_property("seed", SEED)
    record_property("requests", crowd.statuses.total())
    record_property("acknowledged commands", len(crowd.acknowledged))
    record_property("events", len(events))
    record_property("leased jobs", len(crowd.jobs))
    assert set(ENDPOINTS) - crowd.requested() == set()
    assert not FACTOR or set(ENDPOINTS) - crowd.succeeded() == set()

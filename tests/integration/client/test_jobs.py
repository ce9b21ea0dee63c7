"""Jobs over HTTP, leased, renewed and reported as by a dispatcher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fake_server import Reply, ScriptedServer, response
from tests.server_process import LiveServer, free_port
from workflow_monitor import Monitor
from workflow_monitor.client import errors
from workflow_monitor.client.api import Api
from workflow_monitor.client.http import Transport
from workflow_monitor.client.jobs import HttpJobSource
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status


def test_a_job_is_leased_renewed_and_reported(m: Monitor, server: LiveServer) -> None:
    jobs = m._api.jobs()
    (lease, job), (other, _) = jobs.lease(ItemKind.TILE, 2, 60, "w")
    assert (job.kind, job.attempt, job.aoi, job.previous) == (ItemKind.TILE, 1, "DenmarkS1", None)
    assert m.tile(job.id).source_id == job.source_id
    assert jobs.renew(ItemKind.TILE, [lease, "x", other], 600) == ["x"]
    jobs.report([Result(kind=ItemKind.TILE, id=job.id, status=Status.FAILED, message="Ærø", attempt=1)])
    assert (m.tile(job.id).status, m.tile(job.id).message) == (Status.FAILED, "Ærø")
    assert jobs.renew(ItemKind.TILE, [lease, other], 600) == [lease]


TEMPORARY = {
    "no response": None,
    "restarting": response("Bad gateway", 502, "text/plain"),
    "the store is in use": response('{"detail": "in use", "status": 503}', 503, "application/problem+json"),
    "too many requests": response("", 429),
}


@contextmanager
def jobs_of(reply: Reply) -> Iterator[HttpJobSource]:
    """Open the queues of a server that returns `reply` to each request."""
    with ScriptedServer(lambda _: reply) as server:
        connection = Transport(f"{server.url}workflow-monitor/", None, timeout=60)
        yield Api(connection).jobs()
        connection.close()


@pytest.mark.parametrize("reply", TEMPORARY)
def test_temporary_errors_raise_service_unavailable(reply: str) -> None:
    with jobs_of(TEMPORARY[reply]) as jobs:
        for call in (
            lambda: jobs.lease(ItemKind.SCENE, 1, 60, "w"),
            lambda: jobs.renew(ItemKind.SCENE, ["x"], 60),
            lambda: jobs.report([]),
        ):
            with pytest.raises(ServerUnavailable):
                call()


def test_a_closed_port_raises_service_unavailable() -> None:
    connection = Transport(f"http://127.0.0.1:{free_port()}/", None, timeout=60)
    with pytest.raises(ServerUnavailable, match="No response from"):
        HttpJobSource(connection).lease(ItemKind.SCENE, 1, 60, "w")
    connection.close()


def test_permanent_errors_raise(m: Monitor) -> None:
    with pytest.raises(errors.InvalidInput, match="max"):
        m._api.jobs().lease(ItemKind.SCENE, 0, 60, "w")
    with jobs_of(response("", 403)) as jobs, pytest.raises(errors.AccessDenied):
        jobs.lease(ItemKind.SCENE, 1, 60, "w")

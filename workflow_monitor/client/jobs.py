"""Job source over HTTP: lease jobs, renew leases and report results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from workflow_monitor.client import documents
from workflow_monitor.client.errors import RequestRejected, ResponseLost, ServerUnreachable
from workflow_monitor.client.http import Transport
from workflow_monitor.dask.job import Job
from workflow_monitor.dask.job_source import ServerUnavailable
from workflow_monitor.documents.jobs import LeasedJobsDocument, RenewedManyDocument
from workflow_monitor.documents.media_types import JSON
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import QUEUE_KINDS, ItemKind

_NAMES = {kind: name for name, kind in QUEUE_KINDS.items()}


class HttpJobSource:
    """Job source of a Dask dispatcher. Raises ServerUnavailable while the server is down, MonitorError otherwise."""

    def __init__(self, connection: Transport, aoi: str | None = None) -> None:
        self._connection = connection
        #: name or pattern of the AOIs to lease jobs of; None for all
        self._aoi = aoi

    def lease(self, kind: ItemKind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        request = {"max": limit, "seconds": seconds, "worker": worker, "aoi": self._aoi}
        response = documents.read(LeasedJobsDocument, self._write("POST", f"jobs/{_NAMES[kind]}/lease", request))
        payloads = (documents.read(dict[str, Any], bytes(job.payload)) for job in response.jobs)
        return [
            (job.lease, Job(kind, payload["id"], job.attempt, payload))
            for job, payload in zip(response.jobs, payloads, strict=True)
        ]

    def renew(self, kind: ItemKind, leases: Sequence[str], seconds: int) -> list[str]:
        request = {"leases": list(leases), "seconds": seconds}
        return documents.read(RenewedManyDocument, self._write("PUT", f"jobs/{_NAMES[kind]}/lease", request)).lost

    def report(self, results: Sequence[Result]) -> None:
        body = [
            {
                "type": result.kind,
                "id": result.id,
                "status": result.status,
                "message": result.message,
                "attempt": result.attempt,
            }
            for result in results
        ]
        self._write("POST", "results", body)

    def _write(self, method: str, path: str, value: object) -> bytes:
        """Send a write and return the response body.

        A repeated write is safe: a result carries its attempt, and a lease that never arrived expires.
        """
        try:
            response = self._connection.send(method, path, body=json.dumps(value).encode(), media_type=JSON)
            return self._connection.checked(response, path).body
        except (ServerUnreachable, ResponseLost) as error:
            reason = str(error)
        except RequestRejected as error:
            if error.status < 500 and error.status != 429:
                raise
            reason = str(error)
        raise ServerUnavailable(reason)

"""Jobs of a workflow server over HTTP, as a dispatcher takes them and answers for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from workflow_monitor.client import documents
from workflow_monitor.client.errors import AnswerLost, Refused, ServerUnreachable
from workflow_monitor.client.http import JSON, Connection
from workflow_monitor.dask.job import Job
from workflow_monitor.dask.source import Away
from workflow_monitor.domain.model import Result
from workflow_monitor.domain.status import QUEUES, Kind

_NAMES = {kind: name for name, kind in QUEUES.items()}


class Leased(msgspec.Struct):
    """A job that was leased."""

    payload: dict[str, Any]
    attempt: int
    lease: str


class LeasedDocument(msgspec.Struct):
    """The jobs that were leased."""

    jobs: list[Leased]


class RenewedDocument(msgspec.Struct):
    """The leases that could not be prolonged."""

    lost: list[str]


class Jobs:
    """The source of a dispatcher. Away as long as the server is; other errors are those of the client."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lease(self, kind: Kind, limit: int, seconds: int, worker: str) -> list[tuple[str, Job]]:
        asked = {"max": limit, "seconds": seconds, "worker": worker}
        found = documents.read(LeasedDocument, self._write("POST", f"jobs/{_NAMES[kind]}/lease", asked))
        return [(one.lease, Job(kind, one.payload["id"], one.attempt, one.payload)) for one in found.jobs]

    def renew(self, kind: Kind, leases: Sequence[str], seconds: int) -> list[str]:
        asked = {"leases": list(leases), "seconds": seconds}
        return documents.read(RenewedDocument, self._write("PUT", f"jobs/{_NAMES[kind]}/lease", asked)).lost

    def report(self, results: Sequence[Result]) -> None:
        told = [
            {"type": one.kind, "id": one.id, "status": one.status, "message": one.message, "attempt": one.attempt}
            for one in results
        ]
        self._write("POST", "results", told)

    def _write(self, method: str, path: str, value: object) -> bytes:
        """The body of the answer. What is done twice here changes nothing, or a lease that nobody knows runs out."""
        try:
            answer = self._connection.send(method, path, body=json.dumps(value).encode(), media_type=JSON)
            return self._connection.checked(answer, path).body
        except (ServerUnreachable, AnswerLost) as error:
            why = str(error)
        except Refused as error:
            if error.status < 500 and error.status != 429:
                raise
            why = str(error)
        raise Away(why)

"""Queues of jobs: list, lease, renew."""

from __future__ import annotations

from workflow_monitor.documents.aoi_names import normalize_aoi_name
from workflow_monitor.documents.jobs import (
    LeaseRequest,
    RenewedDocument,
    RenewedManyDocument,
    RenewManyRequest,
    RenewRequest,
)
from workflow_monitor.documents.media_types import JSON
from workflow_monitor.documents.validation import validate
from workflow_monitor.domain.commands import LeaseJobs, RenewLease, RenewLeases
from workflow_monitor.domain.errors import FieldError, InvalidInput, NotFound, shorten_for_message
from workflow_monitor.domain.status import QUEUE_KINDS
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import allows_worker, requires_read
from workflow_monitor.server.handlers.params import ACTOR_LENGTH, parse_item_id
from workflow_monitor.server.serialization import Framing, framed, job_json, leased_jobs_document

STATES = ("queued", "leased")


class QueueNotFound(NotFound):
    """The queue does not exist."""

    code = "queue-not-found"
    title = "There is no such queue"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no queue {shorten_for_message(name)}; there are {', '.join(QUEUE_KINDS)}.")


class Jobs(Handler):
    """The jobs of a queue."""

    _track_activity = False

    @requires_read
    async def get(self, queue: str) -> None:
        _check_queue(queue)
        state = self.str_arg("state")
        if state not in (None, *STATES):
            expected = f"found {shorten_for_message(state)}, expected {' or '.join(STATES)}"
            raise InvalidInput("There is no such state of a job.", [FieldError("state", expected)])
        text = self.str_arg("item")
        item = None if text is None else parse_item_id(text, QUEUE_KINDS[queue])
        queries = await self.queries()
        queue_page = await self.backend.run(queries.jobs, queue, state, self.page(), item)
        opening = f'{{"queued":{queue_page.queued},"leased":{queue_page.leased},"jobs":['
        texts = ([job_json(job) for job in chunk] for chunk in queue_page.jobs)
        await self.write_parts(framed(texts, Framing(JSON, opening, ",", "]}")), JSON)


class LeaseJobsHandler(Handler):
    """Lease jobs, and renew many leases."""

    _track_activity = False

    @allows_worker
    async def post(self, queue: str) -> None:
        _check_queue(queue)
        request = await self.read_body(lambda body: validate(self.json(body), LeaseRequest))
        worker = "".join(character for character in request.worker if character.isprintable())[:ACTOR_LENGTH]
        aoi = None if request.aoi is None else normalize_aoi_name(request.aoi)
        jobs = await self.submit(LeaseJobs(queue, request.max, request.seconds, worker, aoi))
        self.write_json(leased_jobs_document(jobs))

    @allows_worker
    async def put(self, queue: str) -> None:
        _check_queue(queue)
        request = await self.read_body(lambda body: validate(self.json(body), RenewManyRequest))
        lost = await self.submit(RenewLeases(queue, request.leases, request.seconds))
        self.write_json(RenewedManyDocument(len(request.leases) - len(lost), lost))


class RenewJob(Handler):
    """Renew one lease."""

    _track_activity = False

    @allows_worker
    async def put(self, queue: str, lease: str) -> None:
        _check_queue(queue)
        request = await self.read_body(lambda body: validate(self.json(body), RenewRequest))
        expires = await self.submit(RenewLease(queue, lease, request.seconds))
        self.write_json(RenewedDocument(lease, expires))


def _check_queue(name: str) -> None:
    if name not in QUEUE_KINDS:
        raise QueueNotFound(name)

"""Queues of jobs: looking at them, and taking jobs from them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from workflow_monitor.documents.media_types import JSON
from workflow_monitor.documents.validation import thread_safe_struct, validate
from workflow_monitor.domain.commands import LeaseJobs, RenewLease, RenewLeases
from workflow_monitor.domain.errors import FieldError, InvalidInput, NotFound, shorten_for_message
from workflow_monitor.domain.status import QUEUE_KINDS
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import allows_worker, requires_read
from workflow_monitor.server.handlers.params import ACTOR_LENGTH, item_id
from workflow_monitor.server.representations import Framing, framed, job_json, json_text, time_text

LEASABLE = 1_000
RENEWABLE = 10_000
DAY = 86_400
Seconds = Annotated[int, Meta(ge=1, le=DAY)]
STATES = ("queued", "leased")


@thread_safe_struct
class LeaseFields(Struct, forbid_unknown_fields=True):
    """What a worker asks for."""

    max: Annotated[int, Meta(ge=1, le=LEASABLE)]
    seconds: Seconds
    worker: str
    #: name or pattern of the AOIs whose jobs are taken
    aoi: str | None = None


@thread_safe_struct
class RenewFields(Struct, forbid_unknown_fields=True):
    """What a worker asks for that needs more time."""

    seconds: Seconds


@thread_safe_struct
class RenewManyFields(Struct, forbid_unknown_fields=True):
    """What a worker asks for that needs more time for many jobs."""

    leases: Annotated[list[str], Meta(max_length=RENEWABLE)]
    seconds: Seconds


class QueueNotFound(NotFound):
    """There is no queue of this name."""

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
        item = None if text is None else item_id(text, QUEUE_KINDS[queue])
        queries = await self.queries()
        found = await self.backend.run(queries.jobs, queue, state, self.page(), item)
        opening = f'{{"queued":{found.queued},"leased":{found.leased},"jobs":['
        texts = ([job_json(job) for job in chunk] for chunk in found.jobs)
        await self.write_parts(framed(texts, Framing(JSON, opening, ",", "]}")), JSON)


class LeaseJobsHandler(Handler):
    """Jobs for a worker, and more time for those that it has."""

    _track_activity = False

    @allows_worker
    async def post(self, queue: str) -> None:
        _check_queue(queue)
        asked = await self.read_body(lambda body: validate(self.json(body), LeaseFields))
        worker = "".join(character for character in asked.worker if character.isprintable())[:ACTOR_LENGTH]
        jobs = await self.submit(LeaseJobs(queue, asked.max, asked.seconds, worker, asked.aoi))
        texts = (
            json_text({"id": job.id, "attempt": job.attempt, "lease": job.lease, "expires": time_text(job.expires)})[
                :-1
            ]
            + f',"payload":{job.payload}}}'
            for job in jobs
        )
        self.write_text(f'{{"jobs":[{",".join(texts)}]}}', JSON)

    @allows_worker
    async def put(self, queue: str) -> None:
        _check_queue(queue)
        asked = await self.read_body(lambda body: validate(self.json(body), RenewManyFields))
        lost = await self.submit(RenewLeases(queue, asked.leases, asked.seconds))
        self.write_json({"renewed": len(asked.leases) - len(lost), "lost": lost})


class RenewJob(Handler):
    """A job that needs more time."""

    _track_activity = False

    @allows_worker
    async def put(self, queue: str, lease: str) -> None:
        _check_queue(queue)
        asked = await self.read_body(lambda body: validate(self.json(body), RenewFields))
        expires = await self.submit(RenewLease(queue, lease, asked.seconds))
        self.write_json({"lease": lease, "expires": time_text(expires)})


def _check_queue(name: str) -> None:
    if name not in QUEUE_KINDS:
        raise QueueNotFound(name)

"""Documents of job queues: leases, renewals, and the list of a queue; and the outcomes of results."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from workflow_monitor.documents.document import Attempt, Count, Document, Id, Message, Time
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import ItemKind, Status

#: limits of a request: jobs leased, leases renewed
MAX_LEASED = 1_000
MAX_RENEWED = 10_000
MAX_LEASE_SECONDS = 86_400
Seconds = Annotated[int, Meta(ge=1, le=MAX_LEASE_SECONDS, description="Length of the lease in seconds.")]
Lease = Annotated[str, Meta(description="Secret of the lease; it renews the lease.")]
Expires = Annotated[Time, Meta(description="Time when the lease expires (UTC).")]
Payload = Annotated[
    Raw,
    Meta(
        description="Message of the job: a ShortScene for the downloader, a TileMessage for the processor.",
        extra_json_schema={
            "anyOf": [{"$ref": "#/components/schemas/TileMessage"}, {"$ref": "#/components/schemas/ShortScene"}]
        },
    ),
]


@thread_safe_struct
class LeaseRequest(Struct, forbid_unknown_fields=True):
    """Request of a worker for jobs."""

    max: Annotated[int, Meta(ge=1, le=MAX_LEASED, description="Maximum number of jobs.")]
    seconds: Seconds
    worker: Annotated[str, Meta(description="Name of the worker, for display.")]
    aoi: Annotated[str | None, Meta(description="Name or pattern of AOIs; null leases jobs of any AOI.")] = None


@thread_safe_struct
class RenewRequest(Struct, forbid_unknown_fields=True):
    """Request of a worker to extend one lease."""

    seconds: Seconds


@thread_safe_struct
class RenewManyRequest(Struct, forbid_unknown_fields=True):
    """Request of a worker to extend many leases."""

    leases: Annotated[list[str], Meta(max_length=MAX_RENEWED)]
    seconds: Seconds


@thread_safe_struct
class LeasedJobDocument(Document):
    """A leased job."""

    id: Id
    attempt: Attempt
    lease: Lease
    expires: Expires
    payload: Payload


@thread_safe_struct
class LeasedJobsDocument(Document):
    """The leased jobs, the oldest first."""

    jobs: list[LeasedJobDocument]


@thread_safe_struct
class RenewedDocument(Document):
    """A renewed lease."""

    lease: Lease
    expires: Expires


@thread_safe_struct
class RenewedManyDocument(Document):
    """Result of the renewal of many leases; `lost` lists the leases that have expired or never existed."""

    renewed: Count
    lost: list[str]


@thread_safe_struct
class JobDocument(Document):
    """A job in the list of a queue; a leased job has the fields `lease` and `expires`."""

    id: Id
    attempt: Attempt
    state: Annotated[
        Literal["queued", "leased", "withdrawn"],
        Meta(description="A withdrawn job is obsolete: its item left PENDING by other means."),
    ]
    published: Annotated[Time, Meta(description="Time when the job was published (UTC).")]
    worker: Annotated[str | None, Meta(description="Name of the worker with the lease.")]
    payload: Payload
    lease: Lease | UnsetType = UNSET
    expires: Expires | UnsetType = UNSET


@thread_safe_struct
class QueueDocument(Document):
    """A queue: numbers of its jobs, and a page of them."""

    queued: Count
    leased: Count
    jobs: list[JobDocument]


class OutcomeDocument(Document):
    """Outcome of one reported result. `type` and `id` are null if the entry has none that are valid."""

    type: str | None
    id: int | None
    outcome: Annotated[str, Meta(extra_json_schema={"enum": ["applied", "unchanged", "refused", "stale", "unknown"]})]
    status: Annotated[Status | None, Meta(description="Status of the item after the request; null if unknown.")]
    reason: Annotated[str, Meta(description="Reason of an outcome other than `applied`.")]


@thread_safe_struct
class OutcomesDocument(Document):
    """Outcomes of the reported results, in their order."""

    applied: Count
    results: list[OutcomeDocument]


@thread_safe_struct
class ResultRequest(Struct, kw_only=True):
    """Result of a worker. Further fields are ignored."""

    type: ItemKind
    id: Id
    status: Annotated[Literal["DONE", "RETRY", "FAILED"], Meta(description="New status of the item.")]
    message: Message | None = None
    attempt: Annotated[int | None, Meta(description="Attempt of the job, so that a late result is ignored.")] = None

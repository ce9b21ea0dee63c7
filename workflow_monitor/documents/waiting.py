"""Documents of waiting: the causes for which an item waits, and the blockers of an AOI."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from workflow_monitor.documents.document import Count, Document, Id, Kind, Message, SourceId, Time
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.causes import Reason
from workflow_monitor.domain.status import Status

#: maximum steps and causes in a response
MAX_STEPS = 100


class ItemReference(Document):
    """A scene or tile."""

    type: Kind
    id: Id
    source_id: SourceId


class WaitingStepDocument(Document):
    """An unfinished item, and the items for which it waits."""

    item: ItemReference
    status: Status
    waits_for: list[ItemReference]


class WaitingCauseDocument(Document):
    """An item that does not wait for another one."""

    item: ItemReference
    status: Status
    message: Message
    reason: Annotated[
        Reason,
        Meta(
            description="`job`: a worker's result; `retry`, `failed`: a person; `reset`: a person, no event starts it."
        ),
    ]
    since: Annotated[Time | None, Meta(description="Time when the job was published (UTC); null without a job.")] = None
    worker: Annotated[
        str | None, Meta(description="Worker that holds a lease of the job; null while it is queued.")
    ] = None
    until: Annotated[Time | None, Meta(description="Time when the lease expires (UTC); null without a lease.")] = None


@thread_safe_struct
class WhyDocument(Document):
    """The reasons why an item waits.

    `steps` lead from the item to the `causes`, at most 100 of each are listed. Both are empty for an item in DONE. The
    item starts once the causes are DONE and the workers have processed the items between.
    """

    item: ItemReference
    status: Status
    steps: list[WaitingStepDocument]
    causes: list[WaitingCauseDocument]
    step_count: Count
    cause_count: Count


@thread_safe_struct
class BlockerDocument(Document):
    """An item that waits for a person, and the count of the NEW tiles behind it."""

    item: ItemReference
    status: Status
    message: Message
    blocked: Annotated[int, Meta(ge=0, description="NEW tiles that wait for the item, directly or through others.")]
    startable: Annotated[int, Meta(ge=0, description="Blocked tiles that no other blocker holds back.")]
    group: Annotated[str, Meta(description="Message template of the item, as in the failure groups of the AOI.")]

"""Documents of events: one transition of an AOI, a scene or a tile."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from workflow_monitor.documents.document import (
    AOIName,
    Attempt,
    Document,
    Message,
    PreviousId,
    ReferenceId,
    RetriesLeft,
    Time,
)
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import Cause, ItemKind, Status


@thread_safe_struct
class EventDocument(Document):
    """A transition as histories and event streams show it: the item as it was afterwards."""

    seq: Annotated[int, Meta(description="Sequence number; later events have greater ones.")]
    time: Annotated[Time, Meta(description="Time of the commit (UTC).")]
    aoi: AOIName
    type: Annotated[
        str, Meta(description="Kind of the object that changed.", extra_json_schema={"enum": ["aoi", *ItemKind]})
    ]
    id: Annotated[int, Meta(description="Id of the scene, of the tile, or of the AOI.")]
    before: Status | None = msgspec.field(name="from")
    to: Status | None
    #: a text, so that a client accepts the causes of later servers
    cause: Annotated[str, Meta(description="Reason of the transition.", extra_json_schema={"enum": [*Cause]})]
    who: Annotated[str, Meta(description="Actor: the user, the worker or the server.")]
    message: Message = ""
    attempt: Attempt = 0
    RetryCountDown: RetriesLeft = 0
    PreviousID: PreviousId = None
    ReferenceID: ReferenceId = None

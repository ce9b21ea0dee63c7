"""Causes of waiting of an item, and the blockers of an AOI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workflow_monitor.documents.waiting import (
    MAX_STEPS,
    BlockerDocument,
    ItemReference,
    WaitingCauseDocument,
    WaitingStepDocument,
    WhyDocument,
)
from workflow_monitor.domain.causes import Reason
from workflow_monitor.domain.message_template import message_template
from workflow_monitor.domain.models import Item
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.server.handlers.base import Handler
from workflow_monitor.server.handlers.guards import requires_read
from workflow_monitor.server.handlers.params import parse_item_id
from workflow_monitor.server.serialization import aware

if TYPE_CHECKING:
    from workflow_monitor.engine.queries import WaitingStep
    from workflow_monitor.graph.blockers import Blocker

DEFAULT_BLOCKERS = 20
MAX_BLOCKERS = 1000


class Why(Handler):
    """Causes for which a scene or tile waits."""

    kind: ItemKind

    @requires_read
    async def get(self, id: str) -> None:  # noqa: A002 - as the path has it
        queries = await self.queries()
        item, causes = await self.backend.run(queries.why, self.kind, parse_item_id(id, self.kind))
        self.write_json(_why_document(item, causes))


class Blockers(Handler):
    """Items whose repair lets most tiles of an AOI start."""

    _track_activity = False

    @requires_read
    async def get(self, aoi: str) -> None:
        limit = self.int_arg("limit", default=DEFAULT_BLOCKERS, minimum=1, maximum=MAX_BLOCKERS)
        queries = await self.queries()
        blockers = await self.backend.run(queries.blockers, aoi, limit)
        self.write_json([_blocker_document(item, blocker) for item, blocker in blockers])


def _why_document(item: Item, steps: Sequence[WaitingStep]) -> WhyDocument:
    """Return the reasons why an item waits."""
    causes = [waiting for waiting in steps if waiting.step.reason is not None]
    return WhyDocument(
        item=_reference(item),
        status=item.status,
        steps=[
            WaitingStepDocument(
                _reference(waiting.step.item), waiting.step.item.status, [*map(_reference, waiting.step.waits_for)]
            )
            for waiting in steps[:MAX_STEPS]
        ],
        causes=[_cause_document(waiting) for waiting in causes[:MAX_STEPS]],
        step_count=len(steps),
        cause_count=len(causes),
    )


def _cause_document(waiting: WaitingStep) -> WaitingCauseDocument:
    item, job = waiting.step.item, waiting.job
    return WaitingCauseDocument(
        item=_reference(item),
        status=item.status,
        message=item.message,
        reason=waiting.step.reason or Reason.RESET,
        since=job and aware(job.published),
        worker=job.worker if job and job.lease else None,
        until=aware(job.expires) if job and job.lease and job.expires else None,
    )


def _blocker_document(item: Item, blocker: Blocker) -> BlockerDocument:
    """Return an item that holds back others."""
    return BlockerDocument(
        item=_reference(item),
        status=item.status,
        message=item.message,
        blocked=blocker.blocked,
        startable=blocker.startable,
        group=message_template(item.message),
    )


def _reference(item: Item) -> ItemReference:
    return ItemReference(item.kind, item.id, item.source_id)

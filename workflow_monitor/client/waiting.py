"""Causes of waiting as text, and blockers as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from workflow_monitor.documents.waiting import (
    BlockerDocument,
    ItemReference,
    WaitingCauseDocument,
    WaitingStepDocument,
    WhyDocument,
)
from workflow_monitor.domain.causes import Reason
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.status import Status

if TYPE_CHECKING:
    import pandas as pd

#: steps in the text
_SHOWN_STEPS = 10


class Why:
    """The reasons why a scene or tile waits. `str` is a readable text; `causes` and `steps` are the documents."""

    def __init__(self, document: WhyDocument) -> None:
        self._document = document

    @property
    def steps(self) -> list[WaitingStepDocument]:
        """Unfinished items from the item down to the causes, at most 100."""
        return self._document.steps

    @property
    def causes(self) -> list[WaitingCauseDocument]:
        """Items that wait for a worker or a person, at most 100; the item starts after all of them are DONE."""
        return self._document.causes

    def to_dict(self) -> dict[str, Any]:
        """Return the response of the server as plain JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self._document)
        return plain

    def __str__(self) -> str:
        one = self._document
        if one.status is Status.DONE:
            return f"{_name(one.item)} is DONE."
        lines = [f"{_name(one.item)} is {one.status}."]
        waiting = [step for step in one.steps if step.waits_for]
        lines += [
            f"  {_name(step.item)} waits for {' and '.join(_name(other) for other in step.waits_for)}."
            for step in waiting[:_SHOWN_STEPS]
        ]
        if len(waiting) > _SHOWN_STEPS:
            lines.append(f"  … and so on, over {one.step_count:,} items")
        lines.append("Causes:" if one.cause_count > 1 else "Cause:")
        lines += [f"  {_cause(cause)}" for cause in one.causes]
        if one.cause_count > len(one.causes):
            lines.append(f"  and {one.cause_count - len(one.causes):,} more")
        return "\n".join(lines)

    __repr__ = __str__


def _name(item: ItemReference) -> str:
    return f"{item.type} {item.id} {escape_control_characters(item.source_id)}"


def _cause(cause: WaitingCauseDocument) -> str:
    name = f"{_name(cause.item)} is {cause.status}"
    message = f": {escape_control_characters(cause.message)}" if cause.message else ""
    match cause.reason:
        case Reason.JOB:
            since = f" since {cause.since:%Y-%m-%d %H:%M:%S} UTC" if cause.since else ""
            lease = f", leased by {escape_control_characters(cause.worker)}" if cause.worker else ""
            until = f" until {cause.until:%H:%M:%S} UTC" if cause.until else ""
            return f"{name}: its job is queued{since}{lease}{until}."
        case Reason.RETRY:
            return f"{name} and waits for a retry{message}"
        case Reason.FAILED:
            return f"{name} for good{message}"
        case Reason.RESET:
            return f"{name}: it was reset, and no event starts it. Force PENDING dispatches it."


def blocker_frame(blockers: Sequence[BlockerDocument]) -> pd.DataFrame:
    """Return a DataFrame with a row per blocker, in their order."""
    import pandas as pd  # noqa: PLC0415 - pandas loads on first use

    rows = [
        (one.startable, one.blocked, str(one.item.type), one.item.id, str(one.status), one.group, one.item.source_id)
        for one in blockers
    ]
    columns = ["startable", "blocked", "kind", "id", "status", "message_template", "source_id"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"startable": "int64", "blocked": "int64", "id": "int64"})

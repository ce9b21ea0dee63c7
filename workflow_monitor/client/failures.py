"""Groups of failures: their documents, and their frame, from whose rows the failed items can be found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import MonitorError
from workflow_monitor.documents.aois import FailureGroupDocument
from workflow_monitor.domain.failures import FailureCauses, FailureGroup
from workflow_monitor.domain.status import ItemKind

if TYPE_CHECKING:
    import pandas as pd

#: columns that identify a group of a frame
KEY = ("message_template", "kind")


class _SharedDict(dict[str, Any]):
    """Dict that copies share: pandas copies `attrs` deeply with each frame derived from a frame."""

    def __deepcopy__(self, memo: object) -> _SharedDict:
        return self


def failure_group(document: FailureGroupDocument) -> FailureGroup:
    """Return the group of failures in a document of the server."""
    causes = document.causes
    return FailureGroup(
        message_template=document.message_template,
        kind=document.kind,
        example=document.example,
        retry=document.retry,
        failed=document.failed,
        since=document.since,
        last=document.last,
        ids=document.ids,
        first_acquired=document.first_acquired,
        last_acquired=document.last_acquired,
        orbits=document.orbits,
        causes=FailureCauses(causes.retry, causes.failed, causes.ids) if causes else None,
    )


def failure_frame(groups: Sequence[FailureGroup]) -> pd.DataFrame:
    """Return a DataFrame with a row per group, in the order of the groups; times are in UTC, to the second.

    `attrs["ids"][kind][message_template]` lists the ids of the items, `attrs["causes"][kind][message_template]` those of
    the scenes with which tiles failed.
    """
    import pandas as pd  # noqa: PLC0415 - pandas loads on first use

    from workflow_monitor.client.frames import text_type  # noqa: PLC0415 - as above

    columns: dict[str, Any] = {
        "message_template": pd.array([group.message_template for group in groups], text_type()),
        "count": pd.array([group.count for group in groups], "int64"),
        "kind": pd.Categorical([str(group.kind) for group in groups], categories=list(map(str, ItemKind))),
        "retry": pd.array([group.retry for group in groups], "int64"),
        "failed": pd.array([group.failed for group in groups], "int64"),
        "since": _seconds(pd.Series([group.since for group in groups], dtype=object)),
        "last": _seconds(pd.Series([group.last for group in groups], dtype=object)),
        "example": pd.array([group.example for group in groups], text_type()),
    }
    frame = pd.DataFrame(columns)
    ids, causes = _SharedDict(), _SharedDict()
    for kind in ItemKind:
        of_kind = [group for group in groups if group.kind is kind]
        ids[str(kind)] = {group.message_template: group.ids for group in of_kind}
        causes[str(kind)] = {group.message_template: group.causes.ids for group in of_kind if group.causes}
    frame.attrs = {"ids": ids, "causes": causes}
    return frame


def _seconds(times: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd  # noqa: PLC0415 - pandas loads on first use

    return pd.to_datetime(times, utc=True).dt.floor("s").dt.as_unit("s")


def is_failure_frame(frame: pd.DataFrame) -> bool:
    """Return True for a frame of failures, or a part of its rows and columns."""
    return {"ids", "causes"} <= set(frame.attrs) and "id" not in frame.columns


def items_of_groups(frame: pd.DataFrame) -> Iterator[tuple[ItemKind, int]]:
    """Yield kind and id of the items to act on: the scenes for tiles that failed with their scenes. Raises MonitorError."""
    if not set(KEY) <= set(frame.columns):
        raise MonitorError(f"A group of failures is identified by {' and '.join(KEY)}; keep these columns.")
    ids: Mapping[str, Mapping[str, list[int]]] = frame.attrs["ids"]
    causes: Mapping[str, Mapping[str, list[int]]] = frame.attrs["causes"]
    for kind, template in zip(frame["kind"].tolist(), frame["message_template"].tolist(), strict=True):
        if scenes := causes[kind].get(template):
            yield from ((ItemKind.SCENE, scene) for scene in scenes)
        else:
            yield from ((ItemKind(kind), item_id) for item_id in ids[kind][template])

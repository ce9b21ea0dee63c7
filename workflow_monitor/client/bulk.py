"""Bulk actions: one request per scene or tile, several concurrently, one outcome each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from workflow_monitor.client import failures
from workflow_monitor.client.errors import MonitorError, NotFound, ResponseLost, ServerUnreachable
from workflow_monitor.client.hints import hint
from workflow_monitor.domain.status import ItemKind

if TYPE_CHECKING:
    import pandas as pd

#: limit on concurrent requests
MAX_CONCURRENCY = 8

Item = tuple[ItemKind, int]


def resolve_items(chosen: Any, kind: str | None = None) -> list[Item]:  # noqa: ANN401 - all that names items
    """Return kind and id of the items in a frame, a row, a list or a single item, without duplicates. Raises MonitorError.

    >>> resolve_items([3, 5, 3], "tile")
    [(<ItemKind.TILE: 'tile'>, 3), (<ItemKind.TILE: 'tile'>, 5)]
    """
    return list(dict.fromkeys(_items(chosen, kind)))


def _items(chosen: Any, kind: str | None) -> Iterator[Item]:  # noqa: ANN401 - see resolve_items
    row = _row_as_frame(chosen)
    if row is not None:
        return _in_frame(row, kind)
    if hasattr(chosen, "columns"):
        return _in_frame(chosen, kind)
    if isinstance(chosen, Iterable) and not isinstance(chosen, (str, bytes)):
        return (item for member in chosen for item in _items(member, kind))
    return iter([_one(chosen, kind)])


def _row_as_frame(chosen: Any) -> pd.DataFrame | None:  # noqa: ANN401 - see resolve_items
    """Return the frame of a single row, which `iloc`, `iterrows` and `itertuples` return; None for other objects."""
    if isinstance(chosen, tuple) and hasattr(chosen, "_asdict"):
        import pandas as pd  # noqa: PLC0415 - pandas loads on first use

        chosen = pd.Series(chosen._asdict())
    if not hasattr(chosen, "iloc") or hasattr(chosen, "columns") or not {"id", "kind"} & set(chosen.index):
        return None
    frame: pd.DataFrame = chosen.to_frame().T
    frame.attrs = chosen.attrs
    return frame


def _one(item: Any, kind: str | None) -> Item:  # noqa: ANN401 - an id or an item
    if hasattr(item, "id") and hasattr(item, "kind"):
        return ItemKind(item.kind), int(item.id)
    if kind is None or isinstance(item, (str, bytes)):
        raise MonitorError(f"Ids of scenes or of tiles? Pass {hint('kind')}.")
    return ItemKind(kind), int(item)


def _in_frame(frame: pd.DataFrame, kind: str | None) -> Iterator[Item]:
    columns = set(map(str, frame.columns))
    if failures.is_failure_frame(frame):
        return failures.items_of_groups(frame)
    if "id" not in columns:
        raise MonitorError("The frame has no column `id`; keep it when selecting columns.")
    ids = [int(item_id) for item_id in frame["id"].tolist()]
    if kind is None and "kind" in columns:
        pairs = zip(frame["kind"].tolist(), ids, strict=True)
        return ((ItemKind(of), item_id) for of, item_id in pairs if of in set(ItemKind))
    of_all = kind or _kind_of(columns)
    return ((ItemKind(of_all), item_id) for item_id in ids)


def _kind_of(columns: set[str]) -> ItemKind:
    if columns & {"scene", "previous", "scene_source_id"}:
        return ItemKind.TILE
    if "source_id" in columns:
        return ItemKind.SCENE
    raise MonitorError(f"Ids of scenes or of tiles? Pass {hint('kind')}.")


def apply_to_items(items: Iterable[Item], action: Callable[[ItemKind, int], None]) -> pd.DataFrame:
    """Apply an action to each item and return a DataFrame of outcomes. An error of one item does not stop the others.

    Scenes go first, because a tile cannot start before its scene is DONE.
    """
    import pandas as pd  # noqa: PLC0415 - pandas loads on first use

    ordered = sorted(items, key=lambda item: item[0] is ItemKind.TILE)
    outcomes: list[tuple[str, str]] = []
    with ThreadPoolExecutor(MAX_CONCURRENCY, thread_name_prefix="workflow-monitor-client") as pool:
        for kind in (ItemKind.SCENE, ItemKind.TILE):
            item_ids = [item_id for of, item_id in ordered if of is kind]
            outcomes += pool.map(lambda item_id, of=kind: _outcome(action, of, item_id), item_ids)
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical([str(kind) for kind, _ in ordered], categories=list(map(str, ItemKind))),
            "id": pd.array([item_id for _, item_id in ordered], "int64"),
            "outcome": pd.Categorical([word for word, _ in outcomes], categories=[*OUTCOMES]),
            "reason": [reason for _, reason in outcomes],
        }
    )
    return frame.sort_values(["kind", "id"], ignore_index=True)


#: applied · rejected · no such item · response lost · no connection
OUTCOMES = ("done", "refused", "unknown", "lost", "unreachable")


def _outcome(action: Callable[[ItemKind, int], None], kind: ItemKind, item_id: int) -> tuple[str, str]:
    try:
        action(kind, item_id)
    except NotFound as error:
        return "unknown", str(error)
    except ResponseLost as error:
        return "lost", str(error)
    except ServerUnreachable as error:
        return "unreachable", str(error)
    except MonitorError as error:
        return "refused", str(error)
    return "done", ""

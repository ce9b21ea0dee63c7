"""The same repair for many scenes and tiles: one request each, several at a time, an outcome for every one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import MonitorError, NotFound, ResponseLost, ServerUnreachable
from workflow_monitor.domain.status import ItemKind

if TYPE_CHECKING:
    import pandas as pd

#: requests under way at once
AT_ONCE = 8

Item = tuple[ItemKind, int]


def resolve_items(chosen: Any, kind: str | None = None) -> list[Item]:  # noqa: ANN401 - all that names items
    """The scenes and tiles that a frame, a list or an item names, each once.

    >>> resolve_items([3, 5, 3], "tile")
    [(<Kind.TILE: 'tile'>, 3), (<Kind.TILE: 'tile'>, 5)]
    """
    if hasattr(chosen, "columns"):
        found = _in_frame(chosen, kind)
    elif hasattr(chosen, "id") and hasattr(chosen, "kind"):
        found = iter([(ItemKind(chosen.kind), int(chosen.id))])
    elif isinstance(chosen, Iterable) and not isinstance(chosen, (str, bytes)):
        found = (_one(item, kind) for item in chosen)
    else:
        found = iter([_one(chosen, kind)])
    return list(dict.fromkeys(found))


def _one(item: Any, kind: str | None) -> Item:  # noqa: ANN401 - an id or an item
    if hasattr(item, "id") and hasattr(item, "kind"):
        return ItemKind(item.kind), int(item.id)
    if kind is None or isinstance(item, (str, bytes)):
        raise MonitorError('Are these ids of scenes or of tiles? Say kind="scene" or kind="tile".')
    return ItemKind(kind), int(item)


def _in_frame(frame: pd.DataFrame, kind: str | None) -> Iterator[Item]:
    columns = set(map(str, frame.columns))
    if {"ids", "kind"} <= columns:
        # Failures: each row has several.
        groups = zip(frame["kind"].tolist(), frame["ids"].tolist(), strict=True)
        return ((ItemKind(of), int(number)) for of, ids in groups for number in ids)
    if "id" not in columns:
        raise MonitorError("The frame has no column `id`; keep it when you choose columns.")
    ids = [int(number) for number in frame["id"].tolist()]
    if kind is None and "kind" in columns:
        pairs = zip(frame["kind"].tolist(), ids, strict=True)
        return ((ItemKind(of), number) for of, number in pairs if of in set(ItemKind))
    of_all = kind or _kind_of(columns)
    return ((ItemKind(of_all), number) for number in ids)


def _kind_of(columns: set[str]) -> ItemKind:
    if columns & {"scene", "previous", "scene_source_id"}:
        return ItemKind.TILE
    if "source_id" in columns:
        return ItemKind.SCENE
    raise MonitorError('Are these ids of scenes or of tiles? Say kind="scene" or kind="tile".')


def apply_to_items(items: Iterable[Item], action: Callable[[ItemKind, int], None]) -> pd.DataFrame:
    """The outcome of an action on each item; what goes wrong with one does not stop the others.

    Scenes go first: tiles cannot start before their scene is there.
    """
    import pandas as pd  # noqa: PLC0415 - what needs no frame should not wait for it

    ordered = sorted(items, key=lambda item: item[0] is ItemKind.TILE)
    outcomes: list[tuple[str, str]] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="workflow-monitor-client") as pool:
        for kind in (ItemKind.SCENE, ItemKind.TILE):
            numbers = [number for of, number in ordered if of is kind]
            outcomes += pool.map(lambda number, of=kind: _outcome(action, of, number), numbers)
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical([str(kind) for kind, _ in ordered], categories=list(map(str, ItemKind))),
            "id": pd.array([number for _, number in ordered], "int64"),
            "outcome": pd.Categorical([word for word, _ in outcomes], categories=[*OUTCOMES]),
            "reason": [reason for _, reason in outcomes],
        }
    )
    return frame.sort_values(["kind", "id"], ignore_index=True)


#: done · the server said no · there is no such item · it may have been done, or not · the server is away
OUTCOMES = ("done", "refused", "unknown", "lost", "unreachable")


def _outcome(action: Callable[[ItemKind, int], None], kind: ItemKind, number: int) -> tuple[str, str]:
    try:
        action(kind, number)
    except NotFound as error:
        return "unknown", str(error)
    except ResponseLost as error:
        return "lost", str(error)
    except ServerUnreachable as error:
        return "unreachable", str(error)
    except MonitorError as error:
        return "refused", str(error)
    return "done", ""

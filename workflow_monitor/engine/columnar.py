"""Columns of numbers for drawing an AOI: footprints for maps, lanes for the dependency graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from workflow_monitor.documents.polygon_arrays import polygon_arrays
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from workflow_monitor.graph.blockers import Blocker
    from workflow_monitor.store.interfaces import Snapshot

#: day of a scene without an acquisition date
NO_DAY = -(2**31)
#: tracks have names, and are ordered by them, up to this count
NAMED_TRACKS = 20_000
_EPOCH = date(1970, 1, 1)


class Columns(NamedTuple):
    """Arrays by name, and their metadata, which are valid JSON."""

    metadata: Mapping[str, object]
    columns: Mapping[str, npt.NDArray[Any]]


def footprints(kind: ItemKind, snapshot: Snapshot) -> Columns:
    """Return scenes or tiles by id with the outlines of their footprints; see `domain.outlines`."""
    import numpy as np  # noqa: PLC0415 - the server starts without it

    table = snapshot.table
    first_ring, first_position, positions = polygon_arrays(table["footprint"].to_numpy())
    columns: dict[str, npt.NDArray[Any]] = {
        "id": _numbers(table, "id"),
        "status": _numbers(table, "status"),
        "day": _numbers(table, "day").astype(np.int32),
        "first_ring": first_ring,
        "first_position": first_position,
        "positions": positions,
    }
    return Columns({**_about(snapshot), "kind": kind}, columns)


def lanes(tiles: Snapshot, scenes: Snapshot, names_of: Callable[[Sequence[int]], Mapping[int, str]]) -> Columns:
    """Return tiles by row and track, and the scenes of each row; see `graph.lanes`. `names_of` returns source ids of tiles."""
    import numpy as np  # noqa: PLC0415 - the server starts without it

    from workflow_monitor.graph.lanes import Tiles, lanes, tracks  # noqa: PLC0415 - as numpy

    table = tiles.table
    arrays = Tiles(*(_numbers(table, name) for name in ("id", "previous", "day")))
    chosen = tracks(arrays)
    names = _names(arrays.id[chosen.root], names_of)
    by_name = np.argsort(np.array(names, dtype=object), kind="stable") if names else np.arange(len(chosen.root))
    place = np.empty(len(by_name), dtype=np.int64)
    place[by_name] = np.arange(len(by_name))
    scene_days = _numbers(scenes.table, "day")
    laid = lanes(arrays, chosen, place, np.unique(scene_days))
    days = laid.day
    columns = {
        "id": arrays.id[laid.order],
        "scene": _numbers(table, "scene")[laid.order],
        "status": _numbers(table, "status")[laid.order],
        "track": laid.track,
        "previous": laid.previous + 1,
        "first": laid.first,
        "by_id": np.argsort(laid.order),
        "scene_id": _numbers(scenes.table, "id"),
        "scene_status": _numbers(scenes.table, "status"),
        "scene_row": np.searchsorted(days, scene_days),
    }
    about = {
        **_about(tiles),
        "tracks": len(chosen.root),
        "names": [names[track] for track in by_name] if names else [],
        "days": [None if day == NO_DAY else (_EPOCH + timedelta(days=int(day))).isoformat() for day in days],
    }
    return Columns(about, columns)


def blockers(tiles: Snapshot, scenes: Snapshot) -> list[Blocker]:
    """Return the blockers among the unfinished tiles and scenes of an AOI; see `graph.blockers`."""
    from workflow_monitor.graph.blockers import (  # noqa: PLC0415 - as numpy
        UnfinishedScenes,
        UnfinishedTiles,
        find_blockers,
    )

    return find_blockers(
        UnfinishedTiles(*(_numbers(tiles.table, name) for name in UnfinishedTiles._fields)),
        UnfinishedScenes(*(_numbers(scenes.table, name) for name in UnfinishedScenes._fields)),
    )


def _about(snapshot: Snapshot) -> dict[str, object]:
    return {"seq": snapshot.seq, "statuses": [*Status]}


def _names(roots: npt.NDArray[np.int64], names_of: Callable[[Sequence[int]], Mapping[int, str]]) -> list[str]:
    if len(roots) > NAMED_TRACKS:
        return []
    ids = [int(root) for root in roots]
    names = names_of(ids)
    return [names.get(tile_id, str(tile_id)) for tile_id in ids]


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    import numpy as np  # noqa: PLC0415 - the server starts without it

    column = table[name].fill_null(NO_DAY) if table[name].null_count else table[name]
    return np.asarray(column.to_numpy(), dtype=np.int64)

"""Arrow tables of scenes and tiles, read from an Arrow stream or built from JSON documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import IO

import msgspec
import pyarrow as pa
import shapely

from workflow_monitor.client.documents import date_of
from workflow_monitor.documents.items import SceneDocument, TileDocument
from workflow_monitor.documents.mgrs import mgrs_cell_of_product
from workflow_monitor.domain.status import ItemKind

_TIME = pa.timestamp("us")
_ITEM = [("id", pa.int64()), ("source_id", pa.string()), ("aoi", pa.string())]
_STATE = [
    ("date", _TIME),
    ("status", pa.string()),
    ("message", pa.string()),
    ("RetryCountDown", pa.int64()),
    ("attempt", pa.int64()),
    ("data", pa.string()),
    ("geometry", pa.binary()),
    ("geometry_origin", pa.string()),
    ("geometry_note", pa.string()),
]
_LINKS = [
    ("scene", pa.int64()),
    ("scene_source_id", pa.string()),
    ("PreviousID", pa.int64()),
    ("ReferenceID", pa.int64()),
]
SCHEMAS: Mapping[ItemKind, pa.Schema] = {
    ItemKind.SCENE: pa.schema([*_ITEM, *_STATE]),
    ItemKind.TILE: pa.schema([*_ITEM, *_LINKS, *_STATE]),
}

#: end marker of an Arrow stream; a stream without it is truncated
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def read_arrow(stream: IO[bytes]) -> pa.Table:
    """Read an Arrow stream to its end. Raises ValueError for a truncated or invalid stream."""
    with pa.ipc.open_stream(_EndOfStreamGuard(stream)) as reader:
        return reader.read_all()


class _EndOfStreamGuard:
    """File that raises ValueError at its end unless the Arrow end marker came before."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._end = b""

    def read(self, size: int = -1) -> bytes:
        taken = self._stream.read(size)
        self._end = (self._end + taken[-8:])[-8:]
        if len(taken) < size and self._end != END_OF_STREAM:
            raise ValueError("the Arrow stream ends in the middle")
        return taken

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def scene_table(documents: Iterable[SceneDocument], aoi: str | None = None) -> pa.Table:
    """Return the table of scenes; `aoi` overrides the AOI names in the documents."""
    rows = [
        [
            *(d.id, d.source_id, aoi or d.aoi, date_of(d.data), d.status, d.message, d.RetryCountDown, d.attempt),
            *(_text(d.data), *_footprint(d.source_id, "mgrs")),
        ]
        for d in documents
    ]
    return _table(SCHEMAS[ItemKind.SCENE], rows)


def tile_table(
    documents: Iterable[TileDocument], aoi: str | None = None, scenes: Mapping[int, SceneDocument] | None = None
) -> pa.Table:
    """Return the table of tiles; `scenes`, by id, fills in the scene fields that a Geocube server omits."""
    known = scenes or {}
    rows = []
    for d in documents:
        scene = known.get(d.scene.id) or d.scene
        footprint = _footprint(d.source_id, "mgrs") if mgrs_cell_of_product(d.source_id) else None
        rows.append(
            (d.id, d.source_id, aoi or scene.aoi or d.scene.aoi)
            + (d.scene.id, scene.source_id, d.PreviousID, d.ReferenceID)
            + (date_of(scene.data), d.status, d.message, d.RetryCountDown, d.attempt, _text(d.data))
            + (footprint or _footprint(scene.source_id, "scene"))
        )
    return _table(SCHEMAS[ItemKind.TILE], rows)


def _table(schema: pa.Schema, rows: Sequence[Sequence[object]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _footprint(source_id: str, origin: str) -> tuple[bytes | None, str | None, None]:
    square = _square(source_id)
    return (square, origin, None) if square else (None, None, None)


def _square(source_id: str) -> bytes | None:
    ring = mgrs_cell_of_product(source_id)
    return _polygon(ring) if ring else None


@cache
def _polygon(ring: tuple[tuple[float, float], ...]) -> bytes:
    wkb: bytes = shapely.to_wkb(shapely.Polygon(ring))
    return wkb


def _text(data: msgspec.Raw) -> str:
    return bytes(data).decode()

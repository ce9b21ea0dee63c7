"""Documents of single scenes and tiles, and messages of jobs, encoded from rows.

Lookups of a few ids run short statements on one table each: a statement that joins the tables and writes the JSON takes
DuckDB several times as long. The database itself writes lists; `document_sql` generates both from the same structs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from workflow_monitor.documents.items import SceneDocument, ShortScene, ShortTile, TileDocument, TileMessage
from workflow_monitor.domain.models import Job
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.store.document_sql import SCENE_ROW_FIELDS, TILE_ROW_FIELDS
from workflow_monitor.store.interfaces import JobRow

#: runs a named statement with values and returns its rows
Query = Callable[..., list[tuple[Any, ...]]]
#: returns the names of existing AOIs by id
Names = Callable[[Iterable[int]], Mapping[int, str]]
#: stands for a missing previous or reference tile in the message of a job
_NO_TILE = ShortTile(
    0,
    "",
    ShortScene(
        0,
        "",
        "",
        msgspec.Raw(
            b'{"date":"0001-01-01T00:00:00Z","graph_name":"","graph_config":null,"record_id":"","metadata":null,'
            b'"is_retriable":false,"storage_uri":""}'
        ),
    ),
    msgspec.Raw(b'{"swath_id":"","tile_nr":0,"graph_name":"","is_retriable":false}'),
)
_encode = msgspec.json.Encoder().encode


class _Tile(NamedTuple):
    """Row of `tile_rows`: the ids of the scene and of the job, and the fields of the document."""

    scene: int
    job: int | None
    fields: dict[str, Any]


class _Job(NamedTuple):
    """A row of `jobs`."""

    id: int
    attempt: int
    published: datetime
    withdrawn: datetime | None
    lease: str | None
    worker: str | None
    expires: datetime | None
    item: int
    previous: int | None
    reference: int | None


#: a job, or the row of a job, whose message is requested
JobLike = Job | _Job


class ItemSerializer:
    """Encoder of items: the committed state, or the present state of a transaction."""

    def __init__(self, query: Query, names: Names) -> None:
        self._query = query
        self._names = names

    def documents(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Return scenes, or tiles with their scenes, as JSON text by id; missing ids are left out."""
        if kind is ItemKind.SCENE:
            return {scene.id: _encode(scene).decode() for scene in self._scenes(ids)}
        tiles = self._tile_rows(ids)
        scenes = self._short_scenes(tile.scene for tile in tiles.values())
        return {
            tile_id: _encode(TileDocument(scene=scenes[tile.scene], **tile.fields)).decode()
            for tile_id, tile in tiles.items()
            if tile.scene in scenes
        }

    def jobs(self, queue: ItemKind, ids: Sequence[int]) -> list[JobRow]:
        """Return jobs of a queue with their messages, by id; jobs of missing items are left out."""
        jobs = [_Job._make(row) for row in self._query("jobs", queue, list(ids))]
        messages = self.messages(queue, jobs)
        return [_with_message(job, messages[job.id]) for job in jobs if job.id in messages]

    def messages(self, queue: ItemKind, jobs: Sequence[JobLike]) -> dict[int, str]:
        """Return the messages of jobs of a queue by job id; jobs of missing items are left out."""
        if queue is ItemKind.TILE:
            return self._tile_messages(jobs)
        scenes = self._short_scenes({job.item for job in jobs})
        return {job.id: _encode(scenes[job.item]).decode() for job in jobs if job.item in scenes}

    def _tile_messages(self, jobs: Sequence[JobLike]) -> dict[int, str]:
        ids = {tile_id for job in jobs for tile_id in (job.item, job.previous, job.reference) if tile_id is not None}
        rows = self._tile_rows(ids)
        links = {job.id: _links(job, rows[job.item]) for job in jobs if job.item in rows}
        # the tile may have been relinked since the job was published
        linked = {tile_id for pair in links.values() for tile_id in pair if tile_id is not None}
        tiles = self._short_tiles(rows | self._tile_rows(linked - rows.keys()))

        def message(job: JobLike) -> str:
            tile = tiles[job.item]
            previous, reference = (_NO_TILE if end is None else tiles.get(end, _NO_TILE) for end in links[job.id])
            return _encode(TileMessage(tile.id, tile.source_id, tile.scene, tile.data, previous, reference)).decode()

        return {job.id: message(job) for job in jobs if job.item in tiles}

    def _scenes(self, ids: Iterable[int]) -> list[SceneDocument]:
        rows = self._query("scene_rows", list(ids))
        names = self._names({aoi for aoi, *_ in rows})
        return [
            SceneDocument(aoi=names[aoi], **_fields(SCENE_ROW_FIELDS, values)) for aoi, *values in rows if aoi in names
        ]

    def _short_scenes(self, ids: Iterable[int]) -> dict[int, ShortScene]:
        scene_ids = set(ids)
        scenes = self._scenes(scene_ids) if scene_ids else []
        return {scene.id: ShortScene(scene.id, scene.source_id, scene.aoi, scene.data) for scene in scenes}

    def _tile_rows(self, ids: Iterable[int]) -> dict[int, _Tile]:
        tile_ids = list(ids)
        rows = self._query("tile_rows", tile_ids) if tile_ids else []
        tiles = (_Tile(scene, job, _fields(TILE_ROW_FIELDS, values)) for scene, job, *values in rows)
        return {tile.fields["id"]: tile for tile in tiles}

    def _short_tiles(self, tiles: Mapping[int, _Tile]) -> dict[int, ShortTile]:
        scenes = self._short_scenes(tile.scene for tile in tiles.values())
        return {
            tile_id: ShortTile(tile_id, tile.fields["source_id"], scenes[tile.scene], tile.fields["data"])
            for tile_id, tile in tiles.items()
            if tile.scene in scenes
        }


def _fields(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of a document by name; the data, stored as JSON text, are not decoded."""
    fields = dict(zip(names, values, strict=True))
    return fields | {"data": msgspec.Raw(fields["data"].encode())}


def _links(job: JobLike, tile: _Tile) -> tuple[int | None, int | None]:
    """Return the previous and reference tiles of a job: the present ones while the job is the tile's current job."""
    if tile.job != job.id:
        return job.previous, job.reference
    return tile.fields["PreviousID"], None if job.reference is None else tile.fields["ReferenceID"]


def _with_message(job: _Job, message: str) -> JobRow:
    times = job.published.replace(tzinfo=UTC), aware(job.withdrawn)
    return JobRow(job.id, job.attempt, *times, job.lease, job.worker, aware(job.expires), message)


def aware(time: datetime | None) -> datetime | None:
    """Return a stored time, in UTC without a zone, with its zone."""
    return None if time is None else time.replace(tzinfo=UTC)

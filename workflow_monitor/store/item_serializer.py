"""Documents of single scenes and tiles, and messages of jobs, written from their rows.

The rows come by a few small questions: a statement that joins all this and writes the JSON takes DuckDB several times as
long, unless it is about many. Lists are written by the database; see `reading.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from workflow_monitor.domain.models import Job
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.store.interfaces import JobRow

#: runs the statement of a name with values and answers its rows
Query = Callable[..., list[tuple[Any, ...]]]
#: the names of AOIs by their numbers, as far as they are there
Names = Callable[[Iterable[int]], Mapping[int, str]]
#: what the message says of a tile that is not there
_NO_TILE = (
    '{"id":0,"source_id":"","scene":{"id":0,"source_id":"","aoi":"","data":{"date":"0001-01-01T00:00:00Z",'
    '"graph_name":"","graph_config":null,"record_id":"","metadata":null,"is_retriable":false,"storage_uri":""}},'
    '"data":{"swath_id":"","tile_nr":0,"graph_name":"","is_retriable":false}}'
)


class _Scene(NamedTuple):
    """A row of `scene_rows`."""

    id: int
    aoi: int
    source_id: str
    data: str
    status: str
    message: str
    countdown: int
    attempt: int


class _Tile(NamedTuple):
    """A row of `tile_rows`."""

    id: int
    scene: int
    source_id: str
    data: str
    status: str
    message: str
    countdown: int
    attempt: int
    job: int | None
    previous: int | None
    reference: int | None


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


#: what the message of a job is written from
JobLike = Job | _Job


class ItemSerializer:
    """Looks up what is committed, or within a transaction what is so far."""

    def __init__(self, ask: Query, names: Names) -> None:
        self._ask = ask
        self._names = names

    def documents(self, kind: ItemKind, ids: Sequence[int]) -> dict[int, str]:
        """Scenes, or tiles with their scenes, as the REST interface shows them, by id; those that are there."""
        if kind is ItemKind.SCENE:
            return self._scenes(ids, _scene_document)
        return self._tiles(self._tile_rows(ids), _tile_document)

    def jobs(self, queue: ItemKind, ids: Sequence[int]) -> list[JobRow]:
        """Jobs of a queue with their messages, by id; those that are there, with their items."""
        jobs = [_Job._make(row) for row in self._ask("jobs", queue, list(ids))]
        messages = self.messages(queue, jobs)
        return [_with_message(job, messages[job.id]) for job in jobs if job.id in messages]

    def messages(self, queue: ItemKind, jobs: Sequence[JobLike]) -> dict[int, str]:
        """What workers are told of jobs of a queue, by the id of the job; of those whose items are there."""
        if queue is ItemKind.TILE:
            return self._tile_messages(jobs)
        scenes = self._scenes({job.item for job in jobs}, _short_scene)
        return {job.id: scenes[job.item] for job in jobs if job.item in scenes}

    def _tile_messages(self, jobs: Sequence[JobLike]) -> dict[int, str]:
        named = {number for job in jobs for number in (job.item, job.previous, job.reference) if number is not None}
        rows = self._tile_rows(named)
        links = {job.id: _links(job, rows[job.item]) for job in jobs if job.item in rows}
        # a tile may have been linked anew since its job was published
        linked = {number for pair in links.values() for number in pair if number is not None}
        tiles = self._tiles(rows | self._tile_rows(linked - rows.keys()), _short_tile)

        def message(job: JobLike) -> str:
            previous, reference = (_NO_TILE if end is None else tiles.get(end, _NO_TILE) for end in links[job.id])
            return f'{tiles[job.item][:-1]},"tile_previous":{previous},"tile_reference":{reference}}}'

        return {job.id: message(job) for job in jobs if job.item in tiles}

    def _scenes(self, ids: Iterable[int], write: Callable[[_Scene, str], str]) -> dict[int, str]:
        scenes = [_Scene._make(row) for row in self._ask("scene_rows", list(ids))]
        names = self._names({scene.aoi for scene in scenes})
        return {scene.id: write(scene, names[scene.aoi]) for scene in scenes if scene.aoi in names}

    def _tile_rows(self, ids: Iterable[int]) -> dict[int, _Tile]:
        wanted = list(ids)
        return {row[0]: _Tile._make(row) for row in self._ask("tile_rows", wanted)} if wanted else {}

    def _tiles(self, tiles: Mapping[int, _Tile], write: Callable[[_Tile, str], str]) -> dict[int, str]:
        scenes = self._scenes({tile.scene for tile in tiles.values()}, _short_scene) if tiles else {}
        return {number: write(tile, scenes[tile.scene]) for number, tile in tiles.items() if tile.scene in scenes}


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _short_scene(scene: _Scene, aoi: str) -> str:
    return f'{{"id":{scene.id},"source_id":{_text(scene.source_id)},"aoi":{_text(aoi)},"data":{scene.data}}}'


def _scene_document(scene: _Scene, aoi: str) -> str:
    return f"{_short_scene(scene, aoi)[:-1]},{_state(scene)},{_counts(scene)}}}"


def _short_tile(tile: _Tile, scene: str) -> str:
    return f'{{"id":{tile.id},"source_id":{_text(tile.source_id)},"scene":{scene},"data":{tile.data}}}'


def _tile_document(tile: _Tile, scene: str) -> str:
    links = f'"PreviousID":{_number(tile.previous)},"ReferenceID":{_number(tile.reference)}'
    return f"{_short_tile(tile, scene)[:-1]},{_state(tile)},{links},{_counts(tile)}}}"


def _state(item: _Scene | _Tile) -> str:
    return f'"status":"{item.status}","message":{_text(item.message)}'


def _counts(item: _Scene | _Tile) -> str:
    return f'"RetryCountDown":{item.countdown},"attempt":{item.attempt}'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _links(job: JobLike, tile: _Tile) -> tuple[int | None, int | None]:
    """The tiles before and at the root of a job's tile: as they are now, if it is still wanted."""
    if tile.job != job.id:
        return job.previous, job.reference
    return tile.previous, None if job.reference is None else tile.reference


def _with_message(job: _Job, message: str) -> JobRow:
    times = job.published.replace(tzinfo=UTC), aware(job.withdrawn)
    return JobRow(job.id, job.attempt, *times, job.lease, job.worker, aware(job.expires), message)


def aware(moment: datetime | None) -> datetime | None:
    """A time as it is stored, in UTC and without a zone, with its zone."""
    return None if moment is None else moment.replace(tzinfo=UTC)

"""Documents of single scenes and tiles, and messages of jobs, written from their rows.

The rows come by a few small questions: a statement that joins all this and writes the JSON takes DuckDB several times as
long, unless it is about many. Lists are written by the database; see `reading.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from workflow_monitor.domain.status import Kind
from workflow_monitor.store.protocol import JobRow

#: runs the statement of a name with values and answers its rows
Ask = Callable[..., list[tuple[Any, ...]]]
#: the names of AOIs by their numbers, as far as they are there
Names = Callable[[Iterable[int]], Mapping[int, str]]
#: what the message says of a tile that is not there
_NO_TILE = (
    '{"id":0,"source_id":"","scene":{"id":0,"source_id":"","aoi":"","data":{"date":"0001-01-01T00:00:00Z",'
    '"graph_name":"","graph_config":null,"record_id":"","metadata":null,"is_retriable":false,"storage_uri":""}},'
    '"data":{"swath_id":"","tile_nr":0,"graph_name":"","is_retriable":false}}'
)


class Items:
    """Looks up what is committed, or within a transaction what is so far."""

    def __init__(self, ask: Ask, names: Names) -> None:
        self._ask = ask
        self._names = names

    def documents(self, kind: Kind, ids: Sequence[int]) -> dict[int, str]:
        """Scenes, or tiles with their scenes, as the REST interface shows them, by id; those that are there."""
        if kind is Kind.SCENE:
            return self._scenes(ids, _scene_document)
        return self._tiles(self._tile_rows(ids), _tile_document)

    def jobs(self, queue: Kind, ids: Sequence[int]) -> list[JobRow]:
        """Jobs of a queue with their messages, by id; those that are there, with their items."""
        rows = self._ask("jobs", queue, list(ids))
        numbers = {row[_ITEM] for row in rows}
        if queue is Kind.SCENE:
            scenes = self._scenes(numbers, _short_scene)
            return [_job(row, scenes[row[_ITEM]]) for row in rows if row[_ITEM] in scenes]
        own = self._tile_rows(numbers)
        links = {row[0]: _links(row, own[row[_ITEM]]) for row in rows if row[_ITEM] in own}
        linked = {number for pair in links.values() for number in pair if number}
        tiles = self._tiles(own | self._tile_rows(linked - numbers), _short_tile)
        return [
            _job(row, _tile_message(tiles[row[_ITEM]], *(tiles.get(number, _NO_TILE) for number in links[row[0]])))
            for row in rows
            if row[_ITEM] in tiles
        ]

    def _scenes(self, ids: Iterable[int], write: Callable[[tuple[Any, ...], str], str]) -> dict[int, str]:
        rows = self._ask("scene_rows", list(ids))
        names = self._names({aoi for _, aoi, *_ in rows})
        return {row[0]: write(row, names[row[1]]) for row in rows if row[1] in names}

    def _tile_rows(self, ids: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        wanted = list(ids)
        return {row[0]: row for row in self._ask("tile_rows", wanted)} if wanted else {}

    def _tiles(
        self, rows: Mapping[int, tuple[Any, ...]], write: Callable[[tuple[Any, ...], str], str]
    ) -> dict[int, str]:
        scenes = self._scenes({scene for _, scene, *_ in rows.values()}, _short_scene) if rows else {}
        return {number: write(row, scenes[row[1]]) for number, row in rows.items() if row[1] in scenes}


#: where the item is in a row of `jobs`
_ITEM = 7


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _short_scene(row: tuple[Any, ...], aoi: str) -> str:
    number, _, source_id, data, *_ = row
    return f'{{"id":{number},"source_id":{_text(source_id)},"aoi":{_text(aoi)},"data":{data}}}'


def _scene_document(row: tuple[Any, ...], aoi: str) -> str:
    *_, status, message, countdown, attempt = row
    return f"{_short_scene(row, aoi)[:-1]},{_state(status, message)}{_count(countdown, attempt)}}}"


def _short_tile(row: tuple[Any, ...], scene: str) -> str:
    number, _, source_id, data, *_ = row
    return f'{{"id":{number},"source_id":{_text(source_id)},"scene":{scene},"data":{data}}}'


def _tile_document(row: tuple[Any, ...], scene: str) -> str:
    status, message, countdown, attempt, _, previous, reference = row[4:]
    links = f'"PreviousID":{_number(previous)},"ReferenceID":{_number(reference)},'
    return f"{_short_tile(row, scene)[:-1]},{_state(status, message)}{links}{_count(countdown, attempt)}}}"


def _state(status: str, message: str) -> str:
    return f'"status":"{status}","message":{_text(message)},'


def _count(countdown: int, attempt: int) -> str:
    return f'"RetryCountDown":{countdown},"attempt":{attempt}'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _links(job: tuple[Any, ...], tile: tuple[Any, ...]) -> tuple[int, int]:
    """The tiles before and at the root, 0 for none: as they are now, if the job is still wanted."""
    previous, reference = job[8:] if tile[8] != job[0] else (tile[9], job[9] and tile[10])
    return previous or 0, reference or 0


def _tile_message(own: str, previous: str, reference: str) -> str:
    return f'{own[:-1]},"tile_previous":{previous},"tile_reference":{reference}}}'


def _job(row: tuple[Any, ...], message: str) -> JobRow:
    number, attempt, published, withdrawn, lease, worker, expires = row[:_ITEM]
    return JobRow(
        number, attempt, published.replace(tzinfo=UTC), aware(withdrawn), lease, worker, aware(expires), message
    )


def aware(moment: datetime | None) -> datetime | None:
    """A time as it is stored, in UTC and without a zone, with its zone."""
    return None if moment is None else moment.replace(tzinfo=UTC)

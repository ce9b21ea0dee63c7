"""The messages of jobs: what workers are told of a scene, or of a tile with the tiles that it stands on.

Asked for in a few small queries: one that joined all this takes DuckDB several times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from workflow_monitor.domain.status import Kind
from workflow_monitor.store.protocol import JobRow

#: runs the statement of a name with values and answers its rows
Ask = Callable[..., list[tuple[Any, ...]]]
#: what the message says of a tile that is not there
_NO_TILE = (
    '{"id":0,"source_id":"","scene":{"id":0,"source_id":"","aoi":"","data":{"date":"0001-01-01T00:00:00Z",'
    '"graph_name":"","graph_config":null,"record_id":"","metadata":null,"is_retriable":false,"storage_uri":""}},'
    '"data":{"swath_id":"","tile_nr":0,"graph_name":"","is_retriable":false}}'
)


def jobs_with_messages(ask: Ask, queue: Kind, ids: Sequence[int]) -> list[JobRow]:
    """These jobs of a queue, by id. A job that is still wanted shows the links of its tile as they are now."""
    rows = ask("named_jobs", queue, list(ids))
    if queue is Kind.SCENE:
        scenes = _scenes(ask, {item for *_, item, _, _ in rows})
        return [_job(row, scenes[row[7]]) for row in rows]
    tiles = _tiles(ask, {number for row in rows for number in row[7:] if number is not None})
    return [_job(row, _tile_message(*(tiles.get(number, _NO_TILE) for number in row[7:]))) for row in rows]


def _tile_message(own: str, previous: str, reference: str) -> str:
    return f'{own[:-1]},"tile_previous":{previous},"tile_reference":{reference}}}'


def _scenes(ask: Ask, ids: Iterable[int]) -> dict[int, str]:
    return dict(ask("short_scenes", list(ids)))


def _tiles(ask: Ask, ids: Iterable[int]) -> dict[int, str]:
    rows = ask("tiles_without_scene", list(ids))
    scenes = _scenes(ask, {scene for _, scene, _, _ in rows})
    return {number: f"{head}{scenes[scene]}{tail}" for number, scene, head, tail in rows}


def _job(row: tuple[Any, ...], message: str) -> JobRow:
    number, attempt, published, withdrawn, lease, worker, expires = row[:7]
    return JobRow(
        number, attempt, published.replace(tzinfo=UTC), aware(withdrawn), lease, worker, aware(expires), message
    )


def aware(moment: datetime | None) -> datetime | None:
    """A time as it is stored, in UTC and without a zone, with its zone."""
    return None if moment is None else moment.replace(tzinfo=UTC)

"""The JSON documents of a workflow server, checked as they are read: from this project's server or a Geocube one."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import msgspec

from workflow_monitor.client.errors import UnexpectedResponse
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import ItemKind

T = TypeVar("T")


@thread_safe_struct
class AOIDocument(msgspec.Struct):
    """An AOI in a list."""

    ID: str
    status: str


@thread_safe_struct
class CountsDocument(msgspec.Struct):
    """How many are in each status."""

    new: int
    pending: int
    done: int
    retry: int
    failed: int


@thread_safe_struct
class OverviewDocument(msgspec.Struct):
    """The workload of an AOI."""

    status: str
    scenes: CountsDocument
    tiles: CountsDocument
    root_tiles: int
    first: str | None = msgspec.field(default=None, name="from")
    last: str | None = msgspec.field(default=None, name="to")


@thread_safe_struct
class RetriedDocument(msgspec.Struct):
    """How many scenes and tiles were retried."""

    scenes: int = msgspec.field(name="Scenes")
    tiles: int = msgspec.field(name="Tiles")


@thread_safe_struct
class IngestedDocument(msgspec.Struct):
    """The ids that scenes got, by source id."""

    ids: dict[str, int]


@thread_safe_struct
class BackupDocument(msgspec.Struct):
    """A backup of the store; the file is on the server."""

    file: str
    made: datetime
    bytes: int


@thread_safe_struct
class IdDocument(msgspec.Struct):
    """The id that a scene got."""

    id: int


@thread_safe_struct
class FeatureDocument(msgspec.Struct):
    """A scene or tile with its footprint."""

    geometry: msgspec.Raw


@thread_safe_struct
class SceneDocument(msgspec.Struct):
    """A scene as both servers send it."""

    id: int
    source_id: str
    aoi: str
    data: msgspec.Raw
    status: str = "NEW"
    message: str = ""
    RetryCountDown: int = 0
    #: a Geocube server does not count them
    attempt: int | None = None


@thread_safe_struct
class SceneOfTile(msgspec.Struct):
    """The scene within a tile; a Geocube server fills in its id alone."""

    id: int
    source_id: str = ""
    aoi: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


@thread_safe_struct
class TileDocument(msgspec.Struct):
    """A tile as both servers send it."""

    id: int
    source_id: str
    scene: SceneOfTile
    data: msgspec.Raw
    status: str = "NEW"
    message: str = ""
    PreviousID: int | None = None
    ReferenceID: int | None = None
    RetryCountDown: int = 0
    attempt: int | None = None


@thread_safe_struct
class RootDocument(msgspec.Struct):
    """What a workflow monitor says of itself."""

    instance: str


@thread_safe_struct
class EventDocument(msgspec.Struct):
    """A transition as histories and streams of events have it."""

    seq: int
    time: datetime
    aoi: str
    type: str
    id: int
    to: str | None
    cause: str
    who: str
    before: str | None = msgspec.field(default=None, name="from")
    message: str = ""
    attempt: int = 0
    RetryCountDown: int = 0
    PreviousID: int | None = None
    ReferenceID: int | None = None


@thread_safe_struct
class _Dated(msgspec.Struct):
    date: str | None = None


def read(kind: type[T], body: bytes) -> T:
    """The document in the body of an answer. Raises UnexpectedAnswer."""
    problem = ""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)  # type: ignore[arg-type]
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        problem = str(error)
    start = body[:80].decode("utf-8", errors="replace")
    raise UnexpectedResponse(
        f"The server's answer cannot be understood: {problem}. It begins {start!r}. Is this a workflow server?"
    )


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read_item(kind: ItemKind, body: bytes) -> dict[str, Any]:
    """The document of a scene or tile, as a dict."""
    read(SceneDocument if kind is ItemKind.SCENE else TileDocument, body)
    return read(dict[str, Any], body)


def date_of(data: msgspec.Raw) -> datetime | None:
    """The date in the data of a scene, in UTC; None for the year 1, which stands for none."""
    text = read(_Dated, bytes(data)).date
    if not text or text.startswith("0001-"):
        return None
    try:
        # Nine digits of a second are more than a datetime has; Python 3.11 reads and cuts them.
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None

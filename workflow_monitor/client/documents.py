"""Decoding of the documents of a workflow server: of this project, or of the Geocube ingester."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import msgspec

from workflow_monitor.client.errors import UnexpectedResponse
from workflow_monitor.documents.items import SceneDocument, TileDocument
from workflow_monitor.documents.validation import thread_safe_struct
from workflow_monitor.domain.status import ItemKind

T = TypeVar("T")


@thread_safe_struct
class _Dated(msgspec.Struct):
    date: str | None = None


def read(kind: type[T], body: bytes) -> T:
    """Decode the body of a response. Raises UnexpectedResponse for a body of another form."""
    problem = ""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)  # type: ignore[arg-type]
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        problem = str(error)
    start = body[:80].decode("utf-8", errors="replace")
    raise UnexpectedResponse(
        f"The response of the server is not the expected document: {problem}. It begins {start!r}. "
        "Check that the URL is that of a workflow server."
    )


@cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read_item(kind: ItemKind, body: bytes) -> dict[str, Any]:
    """Decode a scene or tile as a dict. Raises UnexpectedResponse."""
    read(SceneDocument if kind is ItemKind.SCENE else TileDocument, body)
    return read(dict[str, Any], body)


def date_of(data: msgspec.Raw) -> datetime | None:
    """Return the acquisition time in the data of a scene, in UTC without a zone; None if it is unknown (the year 1)."""
    text = read(_Dated, bytes(data)).date
    if not text or text.startswith("0001-"):
        return None
    try:
        # fromisoformat truncates nanoseconds to microseconds
        return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None

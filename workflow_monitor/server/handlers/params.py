"""Parsing of path segments, query parameters and headers."""

from __future__ import annotations

import re
import urllib.parse
from contextlib import suppress
from datetime import datetime

from workflow_monitor.documents.rfc3339 import to_utc, without_leap_second
from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.status import ItemKind, Status

#: maximum length of the name of an actor, in characters
ACTOR_LENGTH = 100


def parse_item_id(text: str, kind: ItemKind) -> int:
    """Parse the id of a scene or tile. Raises InvalidInput unless it is a signed 64-bit integer."""
    if re.fullmatch(r"[+-]?[0-9]{1,40}", text, re.ASCII):
        item_id = int(text)
        if -(2**63) <= item_id < 2**63:
            return item_id
    raise InvalidInput(
        f"{shorten_for_message(text)} is not the id of a {kind}.",
        [FieldError("id", f"found {shorten_for_message(text)}, expected a decimal integer of up to 64 bits")],
    )


def parse_status(text: str | None) -> Status | None:
    """Parse the status of a filter; None if there is none. Raises UnknownStatus."""
    return None if text is None else Status.parse(text)


def parse_datetime(name: str, text: str | None) -> datetime | None:
    """Parse the RFC 3339 time of a parameter and convert it to UTC. Raises InvalidInput."""
    if text is None:
        return None
    text = without_leap_second(text)
    try:
        time = datetime.fromisoformat(text.replace(" ", "+") if text.count(":") > 2 else text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        expected = "expected a time such as 2022-01-04T10:34:31Z"
        raise InvalidInput(
            f"{name} is not a time with an offset from UTC.",
            [FieldError(name, f"found {shorten_for_message(text)}, {expected}")],
        )
    return to_utc(time)


def normalize_path(path: str) -> str | None:
    """Return a path without empty segments, `.` and `..`; None if the path has none of them.

    >>> normalize_path("/scene/../aoi//"), normalize_path("/aoi/%2E%2e"), normalize_path("/aoi/a%2Fb")
    ('/aoi/', '/', None)
    """
    kept: list[str] = []
    last = ""
    for segment in path.split("/"):
        last = urllib.parse.unquote(segment)
        if last == "..":
            del kept[-1:]
        elif last not in {"", "."}:
            kept.append(segment)
    end = "/" if last in {"", ".", ".."} and kept else ""
    clean = "/" + "/".join(kept) + end
    return None if clean == path or not path else clean


def sanitize_actor(text: str) -> str:
    """Return the name of an actor, safe for logs: printable, on one line, at most ACTOR_LENGTH characters."""
    with suppress(UnicodeError):
        # Tornado decodes headers as Latin-1; clients send UTF-8.
        text = text.encode("latin-1").decode("utf-8")
    return "".join(character for character in text if character.isprintable()).strip()[:ACTOR_LENGTH]


def parse_non_negative(text: str | None) -> int:
    """Parse the number of `page` or `limit`; invalid and negative numbers count as 0."""
    if text is None or not re.fullmatch(r"\+?[0-9]{1,19}", text, re.ASCII):
        return 0
    return min(int(text), 2**62)

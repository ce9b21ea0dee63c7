"""What the words of a request mean: of its path, its query and its headers."""

from __future__ import annotations

import re
import urllib.parse
from contextlib import suppress
from datetime import UTC, datetime

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.status import ItemKind, Status

#: characters of the name of who acts
ACTOR_LENGTH = 100


def item_id(text: str, kind: ItemKind) -> int:
    """The id that a segment of a path names; InvalidInput if it is none of 64 bits."""
    if re.fullmatch(r"[+-]?[0-9]{1,40}", text, re.ASCII):
        number = int(text)
        if -(2**63) <= number < 2**63:
            return number
    raise InvalidInput(
        f"{shorten_for_message(text)} is not the id of a {kind}.",
        [FieldError("id", f"found {shorten_for_message(text)}, expected a decimal integer of up to 64 bits")],
    )


def parse_status(text: str | None) -> Status | None:
    """The status that a filter asks for; None if it asks for none."""
    return None if text is None else Status.parse(text)


def parse_datetime(name: str, text: str | None) -> datetime | None:
    """The time that a parameter gives in RFC 3339, in UTC."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if text.count(":") > 2 else text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        expected = "expected a time such as 2022-01-04T10:34:31Z"
        raise InvalidInput(
            f"{name} is no time with an offset from UTC.",
            [FieldError(name, f"found {shorten_for_message(text)}, {expected}")],
        )
    return found.astimezone(UTC)


def normalize_path(path: str) -> str | None:
    """A path without empty segments, `.` and `..`, as the client should have sent it; None if it is so already.

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
    """A name that a client gave, fit for a log: on one line and not too long."""
    with suppress(UnicodeError):
        # Headers arrive as Latin-1, whatever they were meant to be.
        text = text.encode("latin-1").decode("utf-8")
    return "".join(character for character in text if character.isprintable()).strip()[:ACTOR_LENGTH]


def parse_non_negative(text: str | None) -> int:
    """A number as `page` and `limit` take it: 0 for what is none."""
    if text is None or not re.fullmatch(r"\+?[0-9]{1,19}", text, re.ASCII):
        return 0
    return min(int(text), 2**62)

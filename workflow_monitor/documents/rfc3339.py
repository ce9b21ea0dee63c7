"""Dates as they travel: RFC 3339 in, the shortest form of the same instant and offset out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

#: date in a document without an acquisition date
ZERO = "0001-01-01T00:00:00Z"

EXPECTED = "a date of RFC 3339 with an offset, such as 2022-01-04T10:34:31.024Z"

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|([+-])(\d\d):(\d\d))", re.ASCII)


def parse_time(text: str) -> tuple[str, datetime | None]:
    """The date in its shortest form, and as UTC with microseconds.

    The offset is kept in the text, and up to nine digits of the second. A leap second becomes the second after it, which
    every reader of dates accepts. The years 0 and 1 stand for "no
    date": their datetime is None. Raises ValueError for anything that is no such date.

    >>> parse_time("2022-01-04T10:34:31.500+01:00")
    ('2022-01-04T10:34:31.5+01:00', datetime.datetime(2022, 1, 4, 9, 34, 31, 500000, tzinfo=datetime.timezone.utc))
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"expected {EXPECTED}")
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    fraction = (match[7] or "")[:9].rstrip("0")
    is_leap_second = second == 60
    offset = timedelta() if match[8] == "Z" else _offset(match[9], int(match[10]), int(match[11]))
    try:
        # datetime has no year 0; a leap year stands in for it
        moment = datetime(
            year or 4,
            month,
            day,
            hour,
            minute,
            59 if is_leap_second else second,
            int(fraction[:6].ljust(6, "0")),
            timezone(offset),
        )
    except ValueError as error:
        raise ValueError(f"there is no such date ({error}); expected {EXPECTED}") from None
    if is_leap_second:
        moment = _after_leap_second(moment)
        text = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    shortest = text[:19] + (f".{fraction}" if fraction else "") + (match[8] if offset else "Z")
    return shortest, to_utc(moment) if year > 1 else None


def without_leap_second(text: str) -> str:
    """Return a time with the second after a leap second in its place; every other text unchanged.

    >>> without_leap_second("2016-12-31T23:59:60Z")
    '2017-01-01T00:00:00Z'
    """
    try:
        return parse_time(text)[0] if ":60" in text else text
    except ValueError:
        return text


def _after_leap_second(moment: datetime) -> datetime:
    """Return the time one second after second 59. Raises ValueError unless a month ends there in UTC."""
    try:
        after = moment + timedelta(seconds=1)
        utc = after.astimezone(UTC)
    except OverflowError:
        utc = None
    if utc is None or (utc.day, utc.hour, utc.minute, utc.second) != (1, 0, 0, 0):
        raise ValueError(f"a second 60 is only at the end of a month in UTC; expected {EXPECTED}")
    return after


def _offset(sign: str, hours: int, minutes: int) -> timedelta:
    if hours > 23 or minutes > 59:
        raise ValueError(f"the offset is beyond 23:59; expected {EXPECTED}")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if sign == "-" else offset


def to_utc(moment: datetime) -> datetime:
    """Convert an aware time to UTC; a time before the year 1 or after the year 9999 becomes the first or the last one.

    >>> to_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))))
    datetime.datetime(1, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if moment.year == 1 else datetime.max.replace(tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """A moment in UTC as a text that ends in Z, without trailing zeros.

    >>> format_time(datetime(2022, 1, 4, 10, 34, 31, 24000, tzinfo=UTC))
    '2022-01-04T10:34:31.024Z'
    """
    text = moment.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"

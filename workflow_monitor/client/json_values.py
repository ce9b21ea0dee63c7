"""Conversion of values of numpy, pandas and datetime to JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from workflow_monitor.client.errors import InvalidInput


def plain_value(value: Any) -> Any:  # noqa: ANN401 - scalars of any library
    """Convert a scalar of numpy or pandas, or a time, to a value that JSON has; times to UTC.

    >>> plain_value(date(2022, 1, 4))
    '2022-01-04T00:00:00Z'
    """
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return value.item() if hasattr(value, "item") and not is_array(value) else value


def is_array(value: object) -> bool:
    """True for arrays, Series and Index; False for numpy's scalars."""
    return bool(getattr(value, "shape", ()))


def encode(value: object) -> bytes:
    """Encode a value as JSON in UTF-8. Raises InvalidInput for NaN and for objects that JSON lacks."""
    problem = ""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = str(error)
    raise InvalidInput(f"The input cannot be written as JSON: {problem}.")


def _default(value: object) -> object:
    plain = plain_value(value)
    if plain is value:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return plain

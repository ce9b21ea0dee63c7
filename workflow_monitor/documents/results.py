"""Results of workers, as they report them."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_monitor.documents.strict_json import read_json
from workflow_monitor.documents.validation import describe_value
from workflow_monitor.domain.errors import InvalidInput, UnknownStatus
from workflow_monitor.domain.limits import DEFAULTS, Limits
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status

#: statuses that a worker may report
REPORTABLE = (Status.DONE, Status.RETRY, Status.FAILED)

#: results of one request; each has an outcome in the response
MAX_RESULTS = 100_000

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class InvalidResult:
    """An entry that is no result, and why; `type` and `id` as far as they were a text and an integer."""

    type: str | None
    id: int | None
    reason: str


def parse_results(body: bytes, limits: Limits = DEFAULTS) -> list[Result | InvalidResult]:
    """Parse a list of results, in order; further fields are ignored, and messages beyond `max_message_length` are truncated.

    Raises InvalidInput for a body that is not a JSON list, and for more than MAX_RESULTS results.

    >>> parse_results(b'[{"type": "scene", "id": 12, "status": "done"}]')[0].status
    <Status.DONE: 'DONE'>
    """
    value = read_json(body, limits)
    if not isinstance(value, list):
        raise InvalidInput(f"Expected a list of results, found {describe_value(value)}.")
    if len(value) > MAX_RESULTS:
        raise InvalidInput(f"The list has {len(value)} results; expected at most {MAX_RESULTS} in one request.")
    return [_result(entry, limits) for entry in value]


def _result(entry: object, limits: Limits) -> Result | InvalidResult:
    if not isinstance(entry, dict):
        return InvalidResult(
            None, None, f"expected an object with type, id, status and message, found {describe_value(entry)}"
        )
    reason = _validation_error(entry)
    if reason is not None:
        kind, number = entry.get("type"), entry.get("id")
        return InvalidResult(kind if isinstance(kind, str) else None, number if _is_positive(number) else None, reason)
    return Result(
        kind=ItemKind(entry["type"]),
        id=entry["id"],
        status=Status.parse(entry["status"]),
        message=_cut(entry.get("message") or "", limits),
        attempt=entry.get("attempt"),
    )


def _cut(message: str, limits: Limits) -> str:
    more = len(message) - limits.max_message_length
    return message if more <= 0 else f"{message[:-more]}… ({more} more characters; max_message_length)"


def _validation_error(entry: dict[str, object]) -> str | None:
    """Why an entry is no result; None if it is one."""
    kind, message, attempt = entry.get("type"), entry.get("message"), entry.get("attempt")
    if kind not in ("scene", "tile"):
        return f"type: expected 'scene' or 'tile', found {_given(kind)}"
    if not _is_positive(entry.get("id")):
        return f"id: expected the id of a {kind}, found {_given(entry.get('id'))}"
    if message is not None and not isinstance(message, str):
        return f"message: expected a text, found {describe_value(message)}"
    if attempt is not None and not _is_positive(attempt):
        return f"attempt: expected an integer from 1, found {describe_value(attempt)}"
    return _status_error(entry.get("status"))


def _status_error(value: object) -> str | None:
    expected = ", ".join(REPORTABLE)
    try:
        status = Status.parse(value) if isinstance(value, str) else None
    except UnknownStatus:
        status = None
    if status is None:
        return f"status: expected one of {expected}, found {_given(value)}"
    return None if status in REPORTABLE else f"status: a worker does not report {status}; expected one of {expected}"


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST


def _given(value: object) -> str:
    return "none" if value is None else describe_value(value)

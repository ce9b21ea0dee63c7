"""JSON texts, read without guessing: RFC 8259, and nothing that two readers may understand differently."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message
from workflow_monitor.domain.limits import DEFAULTS, Limits

# Integers of other readers: signed 64 bits, or unsigned.
SMALLEST, LARGEST = -(2**63), 2**64 - 1

_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
# With all digits made 0, a search for a number that may be too large is a search for one of these.
_DIGITS = bytes.maketrans(b"123456789E", b"000000000e")
_MAYBE_HUGE = (b"0" * 19, b"0e000", b"0e+000")

# From how many bytes on the garbage collector is paused.
_LARGE = 1_000_000


def read_json(body: bytes, limits: Limits = DEFAULTS) -> object:
    """Decode a JSON text in UTF-8.

    An unpaired surrogate becomes U+FFFD. Raises InvalidInput for invalid JSON, duplicate keys, NUL characters, numbers
    beyond 64 bits, and values beyond the limits.

    >>> read_json(b'{"tile_nr": 4}')
    {'tile_nr': 4}
    """
    check_token_count(body, limits)
    text = _decoded(body)
    try:
        with gc_paused(len(body)):
            value: object = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(_described(error, text)) from None
    except RecursionError:
        raise _too_deep(limits) from None
    except ValueError:
        raise InvalidInput("The body holds a number with thousands of digits; numbers are of 64 bits.") from None
    _check_depth(value, limits)
    if _HALF_A_PAIR.search(text):
        value = _with_whole_characters(value)
    zeros = body.translate(_DIGITS)
    if any(huge in zeros for huge in _MAYBE_HUGE):
        _check_numbers(value)
    return value


def check_token_count(body: bytes, limits: Limits) -> None:
    """Raise InvalidInput for a text with too many values, before any of them takes memory."""
    # Not more are there than bytes, which saves counting most bodies.
    if len(body) > limits.max_json_values and (values := sum(map(body.count, b",:[{"))) > limits.max_json_values:
        most = f"expected at most {limits.max_json_values} (max_json_values)"
        raise InvalidInput(f"The body has about {values} values; {most}. Send less at a time.")


@contextmanager
def gc_paused(size: int) -> Iterator[None]:
    """Pause the garbage collector while a large body is decoded.

    Decoding creates no cycles, but the collector would traverse the decoded values repeatedly, which takes longer than
    decoding.
    """
    pause = size > _LARGE and gc.isenabled()
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def merge_patch(target: object, patch: object) -> object:
    """The target after a JSON merge patch (RFC 7396); neither is changed.

    >>> merge_patch({"a": "b", "c": {"d": 1}}, {"a": None, "c": {"e": 2}})
    {'c': {'d': 1, 'e': 2}}
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _decoded(body: bytes) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidInput("The body starts with a byte order mark; expected JSON in UTF-8 without one.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}.") from None
    if not text.strip(" \t\r\n"):
        raise InvalidInput("The body is empty; expected JSON.")
    if "\\u0000" in text:
        _refuse_nul(text)
    return text


def _with_whole_characters(value: object) -> object:
    """Return a decoded value with U+FFFD for each unpaired surrogate. Lists are changed in place."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            value[index] = _with_whole_characters(inner)
    elif isinstance(value, dict):
        return _object(
            [(str(_with_whole_characters(key)), _with_whole_characters(inner)) for key, inner in value.items()]
        )
    return value


def _refuse_nul(text: str) -> None:
    for escape in _ESCAPE.finditer(text):
        if escape[0] == "\\u0000":
            raise InvalidInput(f"There is a NUL character (\\u0000) in a text at {_place(text, escape.start())}.")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        message = "occurs twice in one object; expected each key once"
        raise InvalidInput(f"The key {shorten_for_message(twice)} {message}.", [FieldError(twice, message)])
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"{name} is no number in JSON; leave the field out, or use null.")


def _described(error: json.JSONDecodeError, text: str) -> str:
    found = shorten_for_message(text[error.pos : error.pos + 20]) if error.pos < len(text) else "the end of the body"
    if error.msg == "Extra data":
        return f"Something follows the JSON value at {_place(text, error.pos)}: {found}."
    return f"The body is not JSON: {error.msg} at {_place(text, error.pos)}, found {found}."


def _place(text: str, position: int) -> str:
    return f"line {text.count(chr(10), 0, position) + 1}, column {position - text.rfind(chr(10), 0, position)}"


def _too_deep(limits: Limits) -> InvalidInput:
    return InvalidInput(f"Objects and lists are nested more than {limits.max_json_depth} deep (max_json_depth).")


def _check_depth(value: object, limits: Limits) -> None:
    level = [value] if type(value) in (dict, list) else []
    for _ in range(limits.max_json_depth):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)  # type: ignore[attr-defined]
            if type(inner) in (dict, list)
        ]
    if level:
        raise _too_deep(limits)


def _check_numbers(value: object) -> None:
    for path, number in _numbers(value, ""):
        if not SMALLEST <= number <= LARGEST and (type(number) is int or number in (float("inf"), float("-inf"))):
            message = f"found {shorten_for_message(number)}, a number that does not fit in 64 bits"
            raise InvalidInput(f"{path or 'The body'}: {message}.", [FieldError(path, message)])


def _numbers(value: object, path: str) -> Iterator[tuple[str, int | float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _numbers(inner, f"{path}[{index}]")
    elif isinstance(value, int | float):
        yield path, value

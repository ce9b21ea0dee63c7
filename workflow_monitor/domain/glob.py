"""Patterns for names of AOIs: `*` any text, `?` one character, the suffix `(?i)` ignores case."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message

IGNORE_CASE = "(?i)"

_SPECIAL = frozenset("\\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Compiled pattern of AOI names."""

    text: str
    regex: str
    ignores_case: bool

    def matches(self, name: str) -> bool:
        """Return True if the whole name matches."""
        return re.fullmatch(self.regex, name, re.DOTALL | (re.IGNORECASE if self.ignores_case else 0)) is not None


def is_pattern(text: str) -> bool:
    """Return True if a text is a pattern rather than the name of one AOI.

    >>> is_pattern("Denmark*"), is_pattern("Denmark")
    (True, False)
    """
    return "*" in text or "?" in text


def compile_pattern(text: str) -> Pattern:
    r"""Compile a pattern. A backslash quotes the next character; every other character is literal.

    Raises InvalidInput if nothing follows the last backslash.

    >>> compile_pattern("denmark_s?(?i)").matches("Denmark_S1")
    True
    """
    ignores_case = text.endswith(IGNORE_CASE)
    characters = iter(text.removesuffix(IGNORE_CASE))
    parts = []
    for character in characters:
        if character == "*":
            parts.append(".*")
        elif character == "?":
            parts.append(".")
        elif character != "\\":
            parts.append(_literal(character))
        elif (quoted_one := next(characters, None)) is not None:
            parts.append(_literal(quoted_one))
        else:
            message = "ends in a backslash, which quotes the next character; write two for a backslash"
            raise InvalidInput(f"The pattern {shorten_for_message(text)} {message}.", [FieldError("aoi", message)])
    return Pattern(text, re.sub(r"(?:\.\*)+", ".*", "".join(parts)), ignores_case)


def _literal(character: str) -> str:
    return f"\\{character}" if character in _SPECIAL else character

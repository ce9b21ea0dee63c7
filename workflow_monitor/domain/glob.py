"""Patterns for names of AOIs: `*` any text, `?` one character, the suffix `(?i)` ignores case.

A pattern is matched in one pass over the name, with the set of possible positions in the pattern as the bits of an integer.
A regular expression would try the ways to divide a name among the wildcards one by one, and `*?*?*?…` has exponentially many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow_monitor.domain.errors import FieldError, InvalidInput, shorten_for_message

IGNORE_CASE = "(?i)"

#: maximum length of a pattern, in characters
MAX_PATTERN_LENGTH = 4_000


@dataclass(frozen=True, slots=True)
class Pattern:
    """Compiled pattern of AOI names. Bit `n` of an integer stands for the position before character `n` of the pattern."""

    text: str
    ignores_case: bool
    #: positions before each character of the pattern; `any_character` holds for all other characters
    positions: Mapping[str, int] = field(repr=False)
    #: positions before a `?`
    any_character: int = field(repr=False)
    #: positions at a `*`
    any_text: int = field(repr=False)
    #: position at the end
    end: int = field(repr=False)

    def matches(self, name: str) -> bool:
        """Return True if the whole name matches. Takes one step for each character of the name."""
        reached = 1
        for character in map(str.casefold, name) if self.ignores_case else name:
            accepted = reached & self.positions.get(character, self.any_character)
            reached = accepted << 1 | reached & self.any_text
            if not reached:
                return False
        return bool(reached & self.end)


def is_pattern(text: str) -> bool:
    """Return True if a text is a pattern rather than the name of one AOI.

    >>> is_pattern("Denmark*"), is_pattern("Denmark")
    (True, False)
    """
    return "*" in text or "?" in text


def compile_pattern(text: str) -> Pattern:
    r"""Compile a pattern. A backslash quotes the next character; every other character is literal.

    Raises InvalidInput for a pattern beyond MAX_PATTERN_LENGTH, or without a character after its last backslash.

    >>> compile_pattern("denmark_s?(?i)").matches("Denmark_S1")
    True
    """
    if len(text) > MAX_PATTERN_LENGTH:
        raise _invalid(text, f"has {len(text)} characters; expected at most {MAX_PATTERN_LENGTH}")
    ignores_case = text.endswith(IGNORE_CASE)
    characters = iter(text.removesuffix(IGNORE_CASE))
    literals: defaultdict[str, int] = defaultdict(int)
    any_character = any_text = 0
    position = 1
    for character in characters:
        if character == "*":
            any_text |= position
            continue
        if character == "?":
            any_character |= position
        else:
            literal = next(characters, None) if character == "\\" else character
            if literal is None:
                raise _invalid(text, "ends in a backslash, which quotes the next character; write two for a backslash")
            literals[literal.casefold() if ignores_case else literal] |= position
        position <<= 1
    positions = {literal: places | any_character for literal, places in literals.items()}
    return Pattern(text, ignores_case, positions, any_character, any_text, end=position)


def _invalid(text: str, message: str) -> InvalidInput:
    return InvalidInput(f"The pattern {shorten_for_message(text)} {message}.", [FieldError("aoi", message)])

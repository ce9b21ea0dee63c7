from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.glob import MAX_PATTERN_LENGTH, compile_pattern, is_pattern

NAMES = [
    "Denmark",
    "DenmarkS1",
    "DenmarkS2",
    "Denmark_S1",
    "DenmarkXS1",
    "Denmark%S1",
    "denmarks1",
    "Norway",
    "back\\slash",
    "backslash",
    "two\nlines",
    "a.c",
    "abc",
]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("Denmark*", ["Denmark", "DenmarkS1", "DenmarkS2", "Denmark_S1", "DenmarkXS1", "Denmark%S1"]),
        ("*S1", ["DenmarkS1", "Denmark_S1", "DenmarkXS1", "Denmark%S1"]),
        ("DenmarkS?", ["DenmarkS1", "DenmarkS2"]),
        ("Denmark_*", ["Denmark_S1"]),
        ("Denmark%*", ["Denmark%S1"]),
        ("denmark*", ["denmarks1"]),
        ("denmark*S1(?i)", ["DenmarkS1", "Denmark_S1", "DenmarkXS1", "Denmark%S1", "denmarks1"]),
        ("DENMARKS1(?i)", ["DenmarkS1", "denmarks1"]),
        ("(?i)", []),
        ("?", []),
        ("**", NAMES),
        ("back\\slash*", ["backslash"]),
        ("back\\\\slash*", ["back\\slash"]),
        ("back\\*", []),
        ("two*lines", ["two\nlines"]),
        ("two?lines", ["two\nlines"]),
        ("a.?", ["a.c"]),
        ("a?c", ["a.c", "abc"]),
    ],
)
def test_a_pattern_matches_these_names(pattern: str, names: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert [name for name in NAMES if compiled.matches(name)] == names


@pytest.mark.parametrize("pattern", ["*\\", "\\", "a\\(?i)"])
def test_a_pattern_must_not_end_in_a_backslash(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="backslash"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("text", "expected"), [("a*", True), ("a?", True), ("A(?i)", True), ("a%_\\.[b]", False), ("", False)]
)
def test_a_text_is_a_pattern_if_it_has_a_wildcard(text: str, expected: bool) -> None:
    assert is_pattern(text) is expected


printable = st.text(st.characters(min_codepoint=9, max_codepoint=0x2FF), max_size=12)


@given(printable)
def test_a_name_with_all_its_special_characters_quoted_matches_itself_alone(name: str) -> None:
    pattern = compile_pattern("".join(f"\\{character}" for character in name))
    assert pattern.matches(name)
    assert not pattern.matches(name + "x")


class CountedName(str):
    """A name that counts the characters read from it."""

    __slots__ = ("reads",)
    reads: int

    def __new__(cls, text: str) -> Self:
        name = super().__new__(cls, text)
        name.reads = 0
        return name

    def __iter__(self) -> Iterator[str]:
        for character in str(self):
            self.reads += 1
            yield character


def matches_by_definition(pattern: str, name: str) -> bool:
    """Compare by the definition of the wildcards, with a table of all prefixes of pattern and name."""
    row = [True] + [False] * len(name)
    for character in pattern:
        before, row = row, [character == "*" and row[0]]
        for index, letter in enumerate(name):
            if character == "*":
                row.append(row[index] or before[index + 1])
            else:
                row.append(before[index] and character in ("?", letter))
    return row[-1]


@given(st.text("ab?*", max_size=12), st.text("ab", max_size=12))
def test_a_pattern_matches_by_the_definition_of_its_wildcards(pattern: str, name: str) -> None:
    assert compile_pattern(pattern).matches(name) is matches_by_definition(pattern, name)


@pytest.mark.timeout(60)
@given(st.text("a?*", max_size=MAX_PATTERN_LENGTH), st.text("ab", max_size=1_000))
@example("*?" * (MAX_PATTERN_LENGTH // 2), "a" * 1_000)
@example("*?" * 14 + "!", "a" * 1_000)
@example("*a" * 300 + "b", "a" * 1_000)
@example("*" + "a" * 500 + "b", "a" * 1_000)
def test_a_match_reads_each_character_of_the_name_once(pattern: str, name: str) -> None:
    counted = CountedName(name)
    compile_pattern(pattern).matches(counted)
    assert counted.reads <= len(name)


def test_a_longer_pattern_is_refused() -> None:
    compile_pattern("?" * MAX_PATTERN_LENGTH)
    with pytest.raises(InvalidInput, match=f"at most {MAX_PATTERN_LENGTH}"):
        compile_pattern("?" * (MAX_PATTERN_LENGTH + 1))


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [("STRASSE*(?i)", "straße", False), ("ß*(?i)", "ẞ", True), ("Å*(?i)", "århus", True), ("?(?i)", "ß", True)],
)
def test_case_is_ignored_character_by_character(pattern: str, name: str, expected: bool) -> None:
    assert compile_pattern(pattern).matches(name) is expected

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.glob import compile_pattern, is_pattern

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

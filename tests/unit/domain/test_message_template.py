"""Messages with one cause have one template, messages with different causes have different templates, at bounded cost."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import DATA
from workflow_monitor.domain import message_template as module
from workflow_monitor.domain.message_template import MAX_LENGTH, NO_MESSAGE, message_template

MESSAGES = json.loads((DATA / "messages.json").read_text())
#: messages by cause
CORPUS: dict[str, list[str]] = MESSAGES["causes"]
#: pairs that differ in variable parts only, and pairs that differ in a code
ALIKE: list[list[str]] = MESSAGES["alike"]
DIFFERENT: list[list[str]] = MESSAGES["different"]


@pytest.mark.parametrize("cause", CORPUS)
def test_messages_with_one_cause_have_one_template(cause: str) -> None:
    assert len({message_template(message) for message in CORPUS[cause]}) == 1


def test_different_causes_have_different_templates() -> None:
    causes = defaultdict(set)
    for cause, messages in CORPUS.items():
        for message in messages:
            causes[message_template(message)].add(cause)
    assert [shared for shared in causes.values() if len(shared) > 1] == []


@pytest.mark.parametrize("pair", ALIKE)
def test_variable_parts_are_folded(pair: list[str]) -> None:
    first, second = map(message_template, pair)
    assert first == second


@pytest.mark.parametrize("pair", DIFFERENT)
def test_codes_distinguish_messages(pair: list[str]) -> None:
    first, second = map(message_template, pair)
    assert first != second


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("", NO_MESSAGE),
        (" \x1b[0m ", NO_MESSAGE),
        ("  two\n lines ", "two lines"),
        ("exit status 1", "exit status 1"),
        ("HTTP 503 at https://a.example.org/x?y=1", "HTTP 503 at <url>"),
        ("took 12.5s, 3 of 7", "took <duration>, <n> of <n>"),
        ("uuid 661f1b25-f545-5116-a2c9-0d2a37feb07f is gone", "uuid <uuid> is gone"),
        ("connect 10.0.0.7:5432: refused", "connect <address>: refused"),
        ("connect [fe80::1%eth0]:5432: refused", "connect <address>: refused"),
        ("C:\\data\\a.tif: denied", "<path>: denied"),
        ("open ../in/a.tif.", "open <path>."),
        ("returned 7 features", "returned <n> features"),
        ("returned 404", "returned 404"),
        ("error 3 tiles are missing", "error <n> tiles are missing"),
        ("tiles 3, 5, 7 of A44_IW1_89", "tiles <n> of <name>"),
        ("cannot write uint16 as UTF-8", "cannot write uint16 as UTF-8"),
        ("read 12 of 40 MB in 3 minutes", "read <n> of <size> in <duration>"),
        ("ab " * 300, "ab " * 100 + "…" + ("ab " * 67)[1:-1]),
    ],
)
def test_templates(message: str, template: str) -> None:
    assert message_template(message) == template


def test_a_long_traceback_keeps_its_error() -> None:
    frames = "Traceback (most recent call last):\n" + '  File "/opt/run.py", line 12, in read\n    f(x)\n' * 200
    assert message_template(frames + "KeyError: 'a'") != message_template(frames + "KeyError: 'b'")
    assert message_template("0 " * 500 + "! " * 300 + "a") != message_template("0 " * 500 + "! " * 300 + "b")
    assert message_template(frames + "ValueError: tile 3") == message_template(frames + "ValueError: tile 12")


#: texts of up to a megabyte: a short unit, repeated
ADVERSARIAL = st.builds(
    lambda start, unit, count, end: start + (unit * count)[:1_000_000] + end,
    st.text(max_size=5),
    st.text("aA0_-./:\\ @[](),;=<>'\"\x1b%éS1x", min_size=1, max_size=6) | st.text(min_size=1, max_size=300),
    st.integers(1, 1_000_000),
    st.text(max_size=5),
)


@given(ADVERSARIAL)
def test_a_template_is_one_short_line(message: str) -> None:
    template = message_template(message)
    assert 0 < len(template) <= MAX_LENGTH
    assert "\n" not in template


@given(ADVERSARIAL)
def test_the_count_of_tokens_is_bounded(message: str) -> None:
    patterns = CountingPattern(module._TOKEN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TOKEN", patterns)
        message_template(message)
    assert patterns.matches <= module._MAX_TOKENS + 2 + module._MAX_TAIL_INPUT
    assert patterns.characters <= 21_000


class CountingPattern:
    """The pattern of tokens, with counts of its matches and of the characters that it consumes."""

    def __init__(self, pattern: object) -> None:
        self._pattern = pattern
        self.matches = 0
        self.characters = 0

    def finditer(self, text: str) -> object:
        for match in self._pattern.finditer(text):  # type: ignore[attr-defined]
            self.matches += 1
            self.characters += len(match[0])
            yield match

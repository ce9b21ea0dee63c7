import gc
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.documents.strict_json import gc_paused, merge_patch, read_json
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.limits import DEFAULTS

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def peak_memory(body: bytes) -> int:
    """Return the bytes that decoding a body takes at most at a time."""
    tracemalloc.start()
    try:
        read_json(body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(values, st.booleans())
def test_output_of_json_is_read(value: object, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read_json(body)
    except InvalidInput as error:
        assert error.detail  # noqa: PT017


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7 is 0xff"),
        ('{"a": "\ud800"}'.encode(errors="surrogatepass"), "not UTF-8"),
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"graph_name=Other", "not JSON"),
        (b"{}\n {", "Something follows the JSON value at line 2, column 2: '{'"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' occurs twice"),
        (b'{"a": "x\\u0000"}', "NUL character (\\u0000) in a text at line 1, column 9"),
        (b'{"a": {"b": [1, 123456789012345678901]}}', "a.b[1]"),
        (b'{"a": -9223372036854775809}', "does not fit in 64 bits"),
        (b'{"a": 1e400}', "does not fit in 64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "thousands of digits"),
        (b"[" * (DEFAULTS.max_json_depth + 1) + b"]" * (DEFAULTS.max_json_depth + 1), "nested more than 32 deep"),
        (b"[" * 100_000, "nested more than 32 deep"),
        (b'{"a":' * 100_000, "nested more than 32 deep"),
    ],
)
def test_invalid_json_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_json(body)
    assert reason in refusal.value.detail


def test_the_key_that_occurs_twice_is_named() -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_json(b'{"source_id": "a", "aoi": "b", "source_id": "c"}')
    assert [error.field for error in refusal.value.errors] == ["source_id"]


def test_the_deepest_nesting_that_is_allowed_is_read() -> None:
    assert read_json(b"[" * DEFAULTS.max_json_depth + b"]" * DEFAULTS.max_json_depth)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'"half \\ud800 pair"', "half \ufffd pair"),
        (b'"\\udc00\\uD800"', "\ufffd\ufffd"),
        (b'"\\ud83d\\udef0"', "\U0001f6f0"),
        (b'"\\ud800\\ud83d\\udef0"', "\ufffd\U0001f6f0"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\\\u0000"', "\\u0000"),
        (b'"\\\\\\ud800"', "\\\ufffd"),
        (b'"\\/ \\u003c"', "/ <"),
    ],
)
def test_half_a_surrogate_pair_becomes_the_replacement_character(body: bytes, text: str) -> None:
    assert read_json(body) == text


@pytest.mark.parametrize(
    "body",
    [
        b'["' + b"\\ud800" * 500_000 + b'"]',
        b'["' + b"xy\\ud800" * 400_000 + b'"]',
        b'{"\xc3\xa5": ["' + b"\\ud83d\\udef0\\udc00" * 200_000 + b'"]}',
        b'["' + b"\\\\ud800" * 400_000 + b'"]',
    ],
)
def test_unpaired_surrogates_do_not_multiply_the_memory_of_a_body(body: bytes) -> None:
    assert peak_memory(body) < 6 * len(body)


@pytest.mark.parametrize("unit", [b"[]", b"{}", b"[[]]", b"[0]", b'{"":0}', b'{"a":[]}', b"1.5", b"99999", b'"ab"'])
def test_decoding_multiplies_a_body_by_at_most_40(unit: bytes) -> None:
    body = b"[" + (unit + b",") * (500_000 // len(unit)) + b"0]"
    assert peak_memory(body) < 40 * len(body)


def test_keys_that_are_the_same_after_replacement_are_duplicates() -> None:
    with pytest.raises(InvalidInput, match="occurs twice"):
        read_json(b'{"\\ud800": 1, "\\ud801": 2}')


def test_the_garbage_collector_runs_again_after_a_large_body() -> None:
    with gc_paused(10_000_000):
        assert not gc.isenabled()
        with gc_paused(10_000_000):
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        # The examples of RFC 7396, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_follows_rfc_7396(target: object, patch: object, merged: object) -> None:
    before = json.dumps(target)
    assert merge_patch(target, patch) == merged
    assert json.dumps(target) == before

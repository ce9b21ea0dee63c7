import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.documents.results import MAX_RESULTS, InvalidResult, parse_results
from workflow_monitor.domain.errors import InvalidInput
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status


def read_one(**fields: object) -> Result | InvalidResult:
    [result] = parse_results(json.dumps([fields]).encode())
    return result


def test_a_result_in_any_case_with_more_fields() -> None:
    result = read_one(type="tile", id=12, status="retry", message="no memory", attempt=3, host="worker-1")
    assert result == Result(kind=ItemKind.TILE, id=12, status=Status.RETRY, message="no memory", attempt=3)


@pytest.mark.parametrize("fields", [{}, {"message": None, "attempt": None}])
def test_message_and_attempt_may_be_absent(fields: dict[str, object]) -> None:
    assert read_one(type="scene", id=1, status="DONE", **fields) == Result(
        kind=ItemKind.SCENE, id=1, status=Status.DONE
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"type": "layer", "id": 1, "status": "DONE"}, "type"),
        ({"type": "SCENE", "id": 1, "status": "DONE"}, "type"),
        ({"type": "", "id": 1, "status": "DONE"}, "type"),
        ({"type": ["scene"], "id": 1, "status": "DONE"}, "type"),
        ({"id": 1, "status": "DONE"}, "type"),
        ({"type": "scene", "id": 0, "status": "DONE"}, "id"),
        ({"type": "scene", "id": -1, "status": "DONE"}, "id"),
        ({"type": "scene", "id": True, "status": "DONE"}, "id"),
        ({"type": "scene", "id": 1.0, "status": "DONE"}, "id"),
        ({"type": "scene", "id": "1", "status": "DONE"}, "id"),
        ({"type": "scene", "id": 2**63, "status": "DONE"}, "id"),
        ({"type": "scene", "status": "DONE"}, "id"),
        ({"type": "scene", "id": 1, "status": "FINISHED"}, "status"),
        ({"type": "scene", "id": 1, "status": ""}, "status"),
        ({"type": "scene", "id": 1, "status": 2}, "status"),
        ({"type": "scene", "id": 1}, "status"),
        ({"type": "scene", "id": 1, "status": "PENDING"}, "status"),
        ({"type": "scene", "id": 1, "status": "new"}, "status"),
        ({"type": "scene", "id": 1, "status": "DONE", "message": 2}, "message"),
        ({"type": "scene", "id": 1, "status": "DONE", "attempt": 0}, "attempt"),
        ({"type": "scene", "id": 1, "status": "DONE", "attempt": "1"}, "attempt"),
        ({}, "type"),
    ],
)
def test_an_entry_that_is_no_result_says_why(fields: dict[str, object], named: str) -> None:
    result = read_one(**fields)
    assert isinstance(result, InvalidResult)
    assert result.reason.startswith(f"{named}: ")


def test_an_invalid_entry_tells_what_it_was_about_and_disturbs_no_other() -> None:
    first, second, third = parse_results(
        b'[{"type": "scene", "id": 5, "status": "?"}, 12, {"type": "tile", "id": 6, "status": "DONE"}]'
    )
    assert isinstance(first, InvalidResult)
    assert (first.type, first.id) == ("scene", 5)
    assert isinstance(second, InvalidResult)
    assert (second.type, second.id) == (None, None)
    assert isinstance(third, Result)


@pytest.mark.parametrize("body", [b"{}", b'"text"', b"null", b"", b"["])
def test_a_body_that_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_results(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("DONEscti"),
    lambda x: st.lists(x) | st.dictionaries(st.text("abc"), x),
)
entries = st.dictionaries(
    st.sampled_from(["type", "id", "status", "message", "attempt", "other"]),
    anything | st.sampled_from(["scene", "DONE", 1]),
)


@given(st.lists(entries | anything, max_size=5))
def test_each_entry_has_an_answer(values: list[object]) -> None:
    assert len(parse_results(json.dumps(values).encode())) == len(values)


def test_a_request_has_a_limited_number_of_results() -> None:
    assert len(parse_results(b"[" + b"0," * (MAX_RESULTS - 1) + b"0]")) == MAX_RESULTS
    with pytest.raises(InvalidInput, match=f"{MAX_RESULTS + 1} results"):
        parse_results(b"[" + b"0," * MAX_RESULTS + b"0]")

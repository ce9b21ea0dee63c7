"""Simulated failures are reproducible, have the configured rates, and use realistic messages."""

from __future__ import annotations

from collections import Counter

import pytest

from workflow_monitor.demo.failure_model import MESSAGES, RATES, FailureMode, Work, failure_mode_of, outcome, seconds_of
from workflow_monitor.demo.ingestions import RETRY_COUNT

SEED = 1


def works(kind: str, attempt: int = 1) -> list[Work]:
    return [Work(kind, number, f"scene-{number}", "burst" if kind == "tile" else "", attempt) for number in range(5000)]


def troubled(kind: str, trouble: FailureMode, attempt: int = 1) -> list[Work]:
    return [work for work in works(kind, attempt) if failure_mode_of(work, SEED) is trouble]


@pytest.mark.parametrize("kind", ["scene", "tile"])
def test_troubles_are_as_frequent_as_planned(kind: str) -> None:
    found = Counter(failure_mode_of(work, SEED) for work in works(kind))
    for trouble, rate in RATES[kind].items():
        assert found[trouble] / 5000 == pytest.approx(rate, rel=0.35)


@pytest.mark.parametrize("kind", ["scene", "tile"])
@pytest.mark.parametrize(
    ("trouble", "statuses"),
    [
        (FailureMode.NONE, ["DONE", "DONE", "DONE"]),
        (FailureMode.TRANSIENT, ["RETRY", "DONE", "DONE"]),
        (FailureMode.FATAL, ["FAILED", "FAILED", "FAILED"]),
    ],
)
def test_an_item_behaves_as_its_trouble_says(kind: str, trouble: FailureMode, statuses: list[str]) -> None:
    for attempt, status in enumerate(statuses, start=1):
        assert {outcome(work, SEED)[0] for work in troubled(kind, trouble, attempt)} == {status}


@pytest.mark.parametrize("kind", ["scene", "tile"])
def test_what_persists_waits_for_a_person_whose_retry_mostly_helps(kind: str) -> None:
    for attempt in range(1, RETRY_COUNT + 2):
        assert {outcome(work, SEED)[0] for work in troubled(kind, FailureMode.PERSISTENT, attempt)} == {"RETRY"}
    by_hand = [outcome(work, SEED)[0] for work in troubled(kind, FailureMode.PERSISTENT, RETRY_COUNT + 2)]
    assert by_hand.count("DONE") / len(by_hand) == pytest.approx(0.7, abs=0.2)


def test_messages_have_names_and_paths_filled_in() -> None:
    said = {message for kind in ("scene", "tile") for work in works(kind) if (message := outcome(work, SEED)[1])}
    assert not any("{" in message for message in said)
    assert any("scene-" in message for message in said)
    beginnings = {text.partition("{")[0] for texts in MESSAGES.values() for text in texts}
    assert all(any(message.startswith(beginning) for message in said) for beginning in beginnings)


def test_the_same_work_comes_out_the_same_and_takes_some_seconds() -> None:
    for work in works("scene")[:100]:
        assert outcome(work, SEED) == outcome(work, SEED)
        assert seconds_of(work, SEED) == seconds_of(work, SEED)
        assert 0.2 < seconds_of(work, SEED) < 300


def test_a_job_of_the_processor_says_which_scene_its_tile_is_of() -> None:
    payload = {"id": 7, "source_id": "A44_IW1_8951", "scene": {"id": 3, "source_id": "S1A"}}
    assert Work.of_job("tile", payload, 2) == Work("tile", 7, "S1A", "A44_IW1_8951", 2)
    assert Work.of_job("scene", {"id": 3, "source_id": "S1A"}, 1) == Work("scene", 3, "S1A", "", 1)

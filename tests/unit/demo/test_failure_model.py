"""Simulated failures are reproducible, have the configured rates, and use realistic messages."""

from __future__ import annotations

from collections import Counter

import pytest

from workflow_monitor.demo.failure_model import MESSAGES, RATES, FailureMode, Work, failure_mode_of, outcome, seconds_of
from workflow_monitor.demo.ingestions import RETRY_COUNT

SEED = 1


def sample_works(kind: str, attempt: int = 1) -> list[Work]:
    return [
        Work(kind, item_id, f"scene-{item_id}", "burst" if kind == "tile" else "", attempt) for item_id in range(5000)
    ]


def works_in_mode(kind: str, mode: FailureMode, attempt: int = 1) -> list[Work]:
    return [work for work in sample_works(kind, attempt) if failure_mode_of(work, SEED) is mode]


@pytest.mark.parametrize("kind", ["scene", "tile"])
def test_failure_modes_have_the_configured_rates(kind: str) -> None:
    counts = Counter(failure_mode_of(work, SEED) for work in sample_works(kind))
    for mode, rate in RATES[kind].items():
        assert counts[mode] / 5000 == pytest.approx(rate, rel=0.35)


@pytest.mark.parametrize("kind", ["scene", "tile"])
@pytest.mark.parametrize(
    ("mode", "statuses"),
    [
        (FailureMode.NONE, ["DONE", "DONE", "DONE"]),
        (FailureMode.TRANSIENT, ["RETRY", "DONE", "DONE"]),
        (FailureMode.FATAL, ["FAILED", "FAILED", "FAILED"]),
    ],
)
def test_outcomes_follow_the_failure_mode(kind: str, mode: FailureMode, statuses: list[str]) -> None:
    for attempt, status in enumerate(statuses, start=1):
        assert {outcome(work, SEED)[0] for work in works_in_mode(kind, mode, attempt)} == {status}


@pytest.mark.parametrize("kind", ["scene", "tile"])
def test_most_persistent_failures_succeed_after_a_manual_retry(kind: str) -> None:
    for attempt in range(1, RETRY_COUNT + 2):
        assert {outcome(work, SEED)[0] for work in works_in_mode(kind, FailureMode.PERSISTENT, attempt)} == {"RETRY"}
    after_manual_retry = [
        outcome(work, SEED)[0] for work in works_in_mode(kind, FailureMode.PERSISTENT, RETRY_COUNT + 2)
    ]
    assert after_manual_retry.count("DONE") / len(after_manual_retry) == pytest.approx(0.7, abs=0.2)


def test_messages_contain_names_and_paths() -> None:
    messages = {
        message for kind in ("scene", "tile") for work in sample_works(kind) if (message := outcome(work, SEED)[1])
    }
    assert not any("{" in message for message in messages)
    assert any("scene-" in message for message in messages)
    beginnings = {text.partition("{")[0] for texts in MESSAGES.values() for text in texts}
    assert all(any(message.startswith(beginning) for message in messages) for beginning in beginnings)


def test_outcomes_and_durations_are_reproducible() -> None:
    for work in sample_works("scene")[:100]:
        assert outcome(work, SEED) == outcome(work, SEED)
        assert seconds_of(work, SEED) == seconds_of(work, SEED)
        assert 0.2 < seconds_of(work, SEED) < 300


def test_work_of_a_tile_job_names_its_scene() -> None:
    payload = {"id": 7, "source_id": "A44_IW1_8951", "scene": {"id": 3, "source_id": "S1A"}}
    assert Work.of_job("tile", payload, 2) == Work("tile", 7, "S1A", "A44_IW1_8951", 2)
    assert Work.of_job("scene", {"id": 3, "source_id": "S1A"}, 1) == Work("scene", 3, "S1A", "", 1)

"""Progress bar and summary of `watch`."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from IPython.core.formatters import DisplayFormatter

from workflow_monitor.client import hints
from workflow_monitor.client.watch import ProgressBar, RecentRate, Summary
from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import Status


def overview(done: int, total: int = 12_000) -> AOISummary:
    counts = Counter({Status.DONE: done, Status.PENDING: total - done - 1, Status.RETRY: 1})
    return AOISummary("Fyn 2022", Status.RETRY, counts, Counter())


def lines_of(bar_text: str) -> list[str]:
    return [line for line in re.split(r"[\r\n]", bar_text) if "%|" in line]


def test_rate_and_remaining_time_count_only_items_finished_during_the_watch(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 10.0, 20.0])
    bar = ProgressBar("Fyn", visible=True, clock=lambda: next(times))
    for done in (6_400, 6_440, 6_480):
        bar.show(overview(done))
    bar.close()
    *_, last = lines_of(capsys.readouterr().err)
    assert "6480/12000" in last
    assert "4.00item/s" in last
    assert "<23:00" in last


def test_a_bar_without_progress_shows_no_remaining_time(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 10.0])
    bar = ProgressBar("Fyn", visible=True, clock=lambda: next(times))
    for _ in range(2):
        bar.show(overview(6_400))
    bar.close()
    assert all("<?, ?item/s" in line for line in lines_of(capsys.readouterr().err))


def test_the_first_state_of_a_bar_is_that_of_the_aoi(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar("Fyn", visible=True)
    assert capsys.readouterr().err == ""
    bar.show(overview(6_000))
    bar.close()
    assert "50%" in lines_of(capsys.readouterr().err)[0]


def test_an_invisible_bar_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar("Fyn", visible=False)
    bar.show(overview(1))
    bar.close()
    assert capsys.readouterr().err == ""


def test_the_rate_forgets_samples_before_its_window() -> None:
    rate = RecentRate(window=60)
    for seconds, count in ((0, 0), (10, 1_000), (100, 1_010), (160, 1_070)):
        rate.add(seconds, count)
    assert rate.per_second == 1.0


def test_a_falling_count_starts_a_new_measurement() -> None:
    rate = RecentRate()
    for seconds, count in ((0, 100), (10, 200), (20, 50)):
        rate.add(seconds, count)
    assert rate.per_second == 0.0
    rate.add(30, 70)
    assert rate.per_second == 2.0


def test_a_notebook_shows_a_summary_in_lines() -> None:
    summary = Summary(overview(6_400), overview(6_500), 75.0, "timeout")
    data, _ = DisplayFormatter().format(summary)  # type: ignore[no-untyped-call]
    assert data["text/plain"].splitlines() == [
        "Fyn 2022: timed out after 1 min 15 s; RETRY.",
        "  6,500 done, 1 retry, 5,499 pending (+100 done, +0 failed)",
        "  1 need a retry: aoi.failures(), then aoi.retry()",
    ]
    assert repr(summary) == "<Summary Fyn 2022: timeout after 1 min 15 s>"


def test_a_command_hints_at_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_style", "shell")
    last = str(Summary(overview(1), overview(1), 1.0, "idle")).splitlines()[-1]
    assert last.endswith("workflow-monitor failures 'Fyn 2022', then workflow-monitor retry 'Fyn 2022'")
    assert all("m." not in texts["shell"] and "aoi." not in texts["shell"] for texts in hints._HINTS.values())

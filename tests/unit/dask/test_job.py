from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.test_architecture import modules_after
from workflow_monitor.dask import FailJob, Job, RetryJob
from workflow_monitor.dask.job import LONGEST_MESSAGE, JobFailure, run_job
from workflow_monitor.domain.status import ItemKind, Status

SCENE = {"id": 3, "source_id": "S2A_1", "aoi": "Fyn", "data": {"date": "2022-01-04T12:34:31.024+02:00", "uuid": "u"}}
BEFORE = {"id": 7, "source_id": "T", "scene": {**SCENE, "id": 2}, "data": {"tile_nr": 1}}
NONE = {"id": 0, "source_id": "", "scene": {}, "data": {}}
DOWNLOAD = Job(ItemKind.SCENE, 3, 1, SCENE)


def tile(before: dict[str, Any] = BEFORE) -> Job:
    message = {**BEFORE, "id": 9, "scene": SCENE, "tile_previous": before, "tile_reference": before}
    return Job(ItemKind.TILE, 9, 2, message)


def test_a_job_has_the_fields_of_its_scene() -> None:
    for job in (DOWNLOAD, tile()):
        assert (job.aoi, job.scene["id"], job.scene["data"]["uuid"]) == ("Fyn", 3, "u")
        assert job.date == datetime(2022, 1, 4, 10, 34, 31, 24_000, UTC)
    assert (DOWNLOAD.source_id, DOWNLOAD.data) == ("S2A_1", SCENE["data"])
    assert (tile().source_id, tile().data) == ("T", {"tile_nr": 1})


def test_a_tile_has_its_previous_and_reference_tiles_or_none() -> None:
    assert (tile().previous, tile().reference) == (BEFORE, BEFORE)
    assert (tile(NONE).previous, tile(NONE).reference) == (None, None)
    assert (DOWNLOAD.previous, DOWNLOAD.reference) == (None, None)


def raising(error: BaseException) -> Callable[[Job], None]:
    def function(job: Job) -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (RetryJob("no disk"), Status.RETRY, "no disk"),
        (FailJob("no such product"), Status.FAILED, "no such product"),
        (KeyError("band"), Status.RETRY, r"KeyError: 'band' \(test_job.py:\d+ in function\)"),
        (ValueError(), Status.RETRY, r"ValueError \(test_job.py:\d+ in function\)"),
        (SystemExit(3), Status.RETRY, r"SystemExit: 3 \(test_job.py:\d+ in function\)"),
        (RetryJob("x" * 9_999), Status.RETRY, f"x{{{LONGEST_MESSAGE}}}"),
    ],
)
def test_an_exception_determines_the_result(error: BaseException, status: Status, message: str) -> None:
    result = pickle.loads(pickle.dumps(run_job(raising(error), DOWNLOAD)))  # noqa: S301
    assert result.status is status
    assert re.fullmatch(message, result.message)


def test_a_shortened_error_keeps_its_location() -> None:
    failure = run_job(raising(ValueError("x" * 9_999)), DOWNLOAD)
    assert isinstance(failure, JobFailure)
    assert len(failure.message) == LONGEST_MESSAGE
    assert failure.message.endswith("in function)")


def test_an_interrupt_is_not_caught() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(raising(KeyboardInterrupt()), DOWNLOAD)


def test_the_return_value_is_ignored() -> None:
    assert run_job(lambda job: job.attempt, DOWNLOAD) is None


def test_only_unexpected_exceptions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    for error in (RetryJob("later"), FailJob("never")):
        run_job(raising(error), DOWNLOAD)
    assert not caplog.records
    run_job(raising(KeyError("band")), DOWNLOAD)
    (record,) = caplog.records
    assert record.getMessage() == "job_failed kind=scene id=3 attempt=1"
    assert record.exc_info is not None


def test_workers_need_only_the_standard_library() -> None:
    loaded = modules_after("import workflow_monitor.dask") - modules_after("pass")
    assert loaded - sys.stdlib_module_names == {"workflow_monitor"}

"""What the workers of a real cluster do in tests: each job has an effect in a folder, which is to happen once.

The effect is a file that comes into being whole and never twice, whoever else does the same job at the same time.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from workflow_monitor.dask import FailJob, Job

SECONDS = 0.03


def folder() -> Path:
    return Path(os.environ["WORKFLOW_TEST_DEEDS"])


def download(job: Job) -> None:
    _do(job, ())


def process(job: Job) -> None:
    before = [] if job.previous is None else [_name("tile", job.previous)]
    _do(job, [_name("scene", job.scene), *before])


def _do(job: Job, needed: Any) -> None:
    name = _name(job.kind, job.message)
    _leave_a_line(folder() / "begun", f"{name} {job.attempt}")
    if missing := [one for one in needed if not (folder() / one).exists()]:
        raise FailJob(f"{name} began before {missing}")
    time.sleep(SECONDS)
    draft = folder() / f"draft-{uuid.uuid4().hex}"
    draft.write_text(str(job.attempt))
    try:
        os.link(draft, folder() / name)
    except FileExistsError:
        # An attempt whose end nobody heard of has done it already.
        return
    finally:
        draft.unlink()
    _leave_a_line(folder() / "done", name)


def _name(kind: str, message: Any) -> str:
    return f"{kind}-{message['id']}"


def _leave_a_line(path: Path, text: str) -> None:
    """Lines of several processes do not mix: each is written at once."""
    lines = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(lines, f"{text}\n".encode())
    finally:
        os.close(lines)

"""Functions for the workers of a Dask cluster in tests: each job creates one file in a shared folder.

The file is created atomically and only once, even if several workers run the same job concurrently.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from workflow_monitor.dask import FailJob, Job

#: duration of each job
SECONDS = 0.03


def folder() -> Path:
    return Path(os.environ["WORKFLOW_TEST_OUTPUT"])


def download(job: Job) -> None:
    _do(job, ())


def process(job: Job) -> None:
    before = [] if job.previous is None else [_name("tile", job.previous)]
    _do(job, [_name("scene", job.scene), *before])


def _do(job: Job, inputs: Any) -> None:
    name = _name(job.kind, job.message)
    _append_line(folder() / "begun", f"{name} {job.attempt}")
    if missing := [name for name in inputs if not (folder() / name).exists()]:
        raise FailJob(f"{name} began before {missing}")
    time.sleep(SECONDS)
    draft = folder() / f"draft-{uuid.uuid4().hex}"
    draft.write_text(str(job.attempt))
    try:
        os.link(draft, folder() / name)
    except FileExistsError:
        # an earlier attempt created the file, but its result was lost
        return
    finally:
        draft.unlink()
    _append_line(folder() / "done", name)


def _name(kind: str, message: Any) -> str:
    return f"{kind}-{message['id']}"


def _append_line(path: Path, text: str) -> None:
    """Append a line in one write, so that lines of several processes do not interleave."""
    lines = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(lines, f"{text}\n".encode())
    finally:
        os.close(lines)

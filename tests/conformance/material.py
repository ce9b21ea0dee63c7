"""Recorded conversations with the Geocube workflow server, and the tool that replays them."""

from __future__ import annotations

import atexit
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
REPLAY = HERE / "replay.py"
DEVIATIONS = HERE / "deviations.json"
FURTHER_DEVIATIONS = HERE / "further_deviations.json"


@cache
def trace_folder() -> Path:
    """Return the folder of the unpacked traces: `*.json`, and `random/*.json` for random walks."""
    folder = Path(tempfile.mkdtemp(prefix="workflow-monitor-traces-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(HERE / "traces.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "traces"


def trace_paths() -> list[Path]:
    """Return the paths of all traces, the random walks last."""
    return sorted(trace_folder().glob("*.json")) + sorted((trace_folder() / "random").glob("*.json"))

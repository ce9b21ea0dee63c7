"""Every benchmark runs at a small size; its durations are not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hostile import REQUESTS
from tests.paths import ROOT


@pytest.mark.timeout(1200)
def test_everything_is_measured_and_reported(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed",
        "--size",
        "500",
        "1000",
        "--calls",
        "20",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    report = (tmp_path / "report.md").read_text()
    tables = report.split("\n## ")[1:]
    assert [table.partition("\n")[0] for table in tables] == ["500 tiles", "1,000 tiles", "Medians against size"]
    rows = [table.count("\n| ") for table in tables]
    assert rows[0] == rows[1] == rows[2] > 40
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_empty_jobs_on_a_cluster_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.dask_jobs", "--jobs", "20", "--times", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[2:] == ["client.map alone", "server in the process", "server over HTTP"]


def test_hostile_requests_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.hostile", "--times", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert [row[1].strip() for row in rows] == list(REQUESTS)
    assert all(200 <= int(row[2]) < 500 for row in rows)

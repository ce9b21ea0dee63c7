"""The look for known holes fails where there are some, and never for want of a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

SCRIPT = ROOT / "scripts" / "audit"
HOLE = {"id": "GHSA-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
SOUND = {"name": "tornado", "version": "6.5", "vulns": []}

#: a program of another's in place of pip-audit, which would need the network
IN_PLACE = """
import os, sys

report = os.environ["REPORT"]
if report:
    open(sys.argv[sys.argv.index("--output") + 1], "w").write(report)
sys.exit("ConnectionError: nobody is there" if not report else "vulns\\": [{" in report)
"""


@pytest.mark.parametrize(
    ("packages", "code", "told"),
    [
        ([SOUND], 0, "1 packages, 0 with known holes"),
        ([SOUND, {"name": "duckdb", "version": "1.0", "vulns": [HOLE]}], 1, "duckdb 1.0 has GHSA-1; mended in 2.0"),
        (None, 0, "left out, as OSV did not answer: ConnectionError: nobody is there"),
    ],
)
def test_what_is_told(packages: list[object] | None, code: int, told: str, tmp_path: Path) -> None:
    (tmp_path / "pip_audit.py").write_text(IN_PLACE)
    report = json.dumps({"dependencies": packages, "fixes": []}) if packages else ""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "REPORT": report}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stdout) == (code, True), done.stdout + done.stderr

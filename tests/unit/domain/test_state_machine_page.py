"""The page of the state machine shows the current table."""

from __future__ import annotations

import subprocess
import sys

from tests.paths import ROOT


def test_page_is_up_to_date() -> None:
    command = [sys.executable, "scripts/make_state_machine_page", "--check"]
    run = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert run.returncode == 0, "run scripts/make_state_machine_page"

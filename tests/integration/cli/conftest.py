"""Terminal that runs the commands against a Jupyter server; see `tests.example_servers`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.example_servers import TOKEN, Servers
from tests.paths import ROOT
from tests.server_process import LiveServer


@pytest.fixture
def server(example_servers: Servers) -> LiveServer:
    return example_servers.untouched()


class Terminal:
    """Terminal with the environment of the command."""

    def __init__(self, server: LiveServer, folder: Path) -> None:
        self._folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JPY_", "JUPYTER"))},
            "WORKFLOW_MONITOR_URL": server.base_url,
            "WORKFLOW_MONITOR_TOKEN": TOKEN,
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "COLUMNS": "100",
        }

    def run(self, *words: str, stdin: str = "", expect: int = 0, **variables: str) -> tuple[str, str]:
        """Run the command and return its stdout and stderr."""
        result = subprocess.run(
            [sys.executable, "-m", "workflow_monitor.cli", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=self.environment | variables,
            cwd=self._folder,
        )
        assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        assert TOKEN not in result.stdout + result.stderr
        return result.stdout, result.stderr

    def json(self, *words: str, expect: int = 0) -> Any:
        """Run the command with `--json` and return the document on stdout."""
        output, _ = self.run(*words, "--json", expect=expect)
        return json.loads(output)


@pytest.fixture
def terminal(server: LiveServer, tmp_path: Path) -> Terminal:
    terminal = Terminal(server, tmp_path)
    terminal.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return terminal

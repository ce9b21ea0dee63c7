"""The house is as DESIGN draws it: imports go down, the domain is pure, and importing the package costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

#: packages that would make the domain or the graph impure, or the first import slow
OUTSIDE = {"asyncio", "duckdb", "httpx", "jupyter_core", "jupyter_server", "pandas", "sqlite3", "tornado", "traitlets"}


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running this code."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}


def test_imports_keep_to_the_contracts() -> None:
    linter = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    run = subprocess.run(linter, capture_output=True, check=False, cwd=ROOT, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_domain_and_the_graph_load_nothing_that_reaches_outside() -> None:
    code = """if True:
        import importlib, pkgutil
        for name in ("workflow_monitor.domain", "workflow_monitor.graph"):
            package = importlib.import_module(name)
            for module in pkgutil.walk_packages(package.__path__, name + "."):
                importlib.import_module(module.name)
    """
    loaded = modules_after(code)
    assert "workflow_monitor" in loaded
    assert not loaded & OUTSIDE


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = modules_after("import workflow_monitor") - modules_after("pass")
    assert loaded - sys.stdlib_module_names == {"workflow_monitor"}
    assert not loaded & OUTSIDE


def test_unit_tests_load_no_jupyter_server() -> None:
    loaded = modules_after(
        "import contextlib, io, pytest\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    assert pytest.main(['--collect-only', '--quiet', 'tests/unit']) == 0"
    )
    assert "pytest" in loaded
    assert not loaded & {"pytest_jupyter", "jupyter_server"}

"""The docstring examples of the client run unmodified in a kernel of a Jupyter server with a small ingestion."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import workflow_monitor.client
from tests.example_servers import TOKEN, Servers
from tests.kernels import execute

MODULES = [
    module.name for module in pkgutil.walk_packages(workflow_monitor.client.__path__, f"{workflow_monitor.client.__name__}.")
]  # fmt: skip

#: names in the namespace of the examples; `m` is discovered as in a kernel
NAMES = """if True:
    import doctest, importlib, threading
    from workflow_monitor import Monitor
    m = Monitor(actor="tests")

    def run(module, name, url, token, folder):
        home = importlib.import_module(module)
        (test,) = (test for test in doctest.DocTestFinder().find(home) if test.name == name)
        test.globs |= {"m": m, "aoi": m["DenmarkS1"], "url": url, "token": token, "folder": folder}
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        # A thread without a running event loop, for asyncio.run.
        thread = threading.Thread(target=lambda: print(runner.run(test)))
        thread.start()
        thread.join()
"""


def examples() -> list[Any]:
    """Return the module and name of each docstring with examples."""
    pairs = [
        (module, test.name)
        for module in MODULES
        for test in doctest.DocTestFinder().find(importlib.import_module(module))
        if test.examples
    ]
    return [pytest.param(module, name, id=name.removeprefix("workflow_monitor.client.")) for module, name in pairs]


@pytest.mark.parametrize(("module", "name"), examples())
def test_docstring_example_runs(example_servers: Servers, module: str, name: str, tmp_path: Path) -> None:
    server = example_servers.untouched()
    kernel, is_new = example_servers.kernel()
    output: list[str] = []

    def collect(message: Any) -> None:
        output.append(message["content"].get("text", ""))

    if is_new:
        execute(kernel, NAMES, collect, "setup of the examples")
    call = f"run({module!r}, {name!r}, {server.base_url!r}, {TOKEN!r}, {str(tmp_path)!r})"
    execute(kernel, call, collect, name)
    assert "".join(output).strip().startswith("TestResults(failed=0, attempted="), "".join(output)


def test_the_public_api_has_examples() -> None:
    public = {"aoi.AOI", "client.Monitor", "items.Item", "items.Scene", "items.Tile"}
    documented = {str(example.id) for example in examples()}
    for name in public:
        module, class_name = name.split(".")
        members = vars(vars(importlib.import_module(f"workflow_monitor.client.{module}"))[class_name])
        calls = {
            f"{name}.{member}"
            for member, value in members.items()
            if not member.startswith("_") and (callable(value) or isinstance(value, property))
        }
        assert calls - documented == set()

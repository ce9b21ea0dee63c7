"""The wheel installs into a new virtual environment and runs there without further configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.paths import ROOT
from workflow_monitor import __version__

TOKEN = "packaging-test"


def output_of(command: list[str], cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Return the output of a command that must succeed."""
    run = subprocess.run(
        command, check=False, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
    )
    assert run.returncode == 0, f"{command}\n{run.stdout}"
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    output_of(build)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory `bin` of a new virtual environment that contains only the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    python = folder / "bin" / "python"
    venv_uv = Path(sys.executable).with_name("uv")
    if uv := str(venv_uv) if venv_uv.exists() else shutil.which("uv"):
        create, install = [uv, "venv", "--python", sys.executable], [uv, "pip", "install", "--python", str(python)]
    else:
        create, install = [sys.executable, "-m", "venv"], [str(python), "-m", "pip", "install"]
    output_of([*create, str(folder)])
    output_of([*install, str(wheel)])
    return python.parent


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables of a user without Jupyter configuration."""
    home = str(tmp_path_factory.mktemp("home"))
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL_ENV"))
    }
    return {**inherited, "HOME": home, "XDG_DATA_HOME": f"{home}/share", "XDG_CONFIG_HOME": f"{home}/config"}


def test_the_wheel_contains_every_file_of_the_package(wheel: Path) -> None:
    files = (path.relative_to(ROOT).as_posix() for path in (ROOT / "workflow_monitor").rglob("*") if path.is_file())
    assert {name for name in files if "__pycache__" not in name} <= set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(archive.read(name).decode())


def test_the_metadata_has_version_and_licence(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("workflow-monitor", __version__)
    assert (metadata["License-Expression"], metadata["License-File"]) == ("BSD-3-Clause", "LICENSE")


def test_the_wheel_has_the_extras_that_the_documentation_installs(metadata: Message) -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    documented = [
        names for text in texts for names in re.findall(r"workflow-monitor\[([a-z,]+)\]", text.read_text("utf-8"))
    ]
    assert (
        {"dask", "demo"}
        <= {name for names in documented for name in names.split(",")}
        <= set(metadata.get_all("Provides-Extra", []))
    )


def test_the_dask_extra_requires_the_imports_of_the_queue(metadata: Message) -> None:
    requirements = [line for line in metadata.get_all("Requires-Dist", []) if line.endswith("extra == 'dask'")]
    assert {re.split(r"[<>=;]", line)[0] for line in requirements} == {"cloudpickle", "distributed"}


Run = Callable[..., str]


@pytest.fixture
def run(installed: Path, environment: dict[str, str], tmp_path: Path) -> Run:
    """Runner of a program of the new environment, outside the checkout; it returns the output."""

    def run_program(program: str, *arguments: str) -> str:
        return output_of([str(installed / program), *arguments], cwd=tmp_path, env=environment)

    return run_program


#: First missing package of the modules that need an extra
EXTRAS = {"cloudpickle", "jupyterhub", "psycopg", "pytest"}


def test_every_module_without_an_extra_imports(run: Run) -> None:
    code = """if True:
        import importlib, pkgutil, workflow_monitor
        for module in pkgutil.walk_packages(workflow_monitor.__path__, "workflow_monitor."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                print(error.name)
    """
    assert set(run("python", "-c", code).split()) == EXTRAS


def test_the_notebooks_are_installed(run: Run) -> None:
    code = (
        "from workflow_monitor.demo.run import notebooks; print(*sorted(path.name for path in notebooks().iterdir()))"
    )
    assert run("python", "-c", code).split() == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


PANELS = ["Dashboard", "Failures", "Graph", "Map", "Summary", "Timeline"]


def test_entry_points_load_stores_queues_and_panels(run: Run) -> None:
    code = """if True:
        from importlib.metadata import entry_points
        for group in ("stores", "queues", "panels"):
            points = [point for point in entry_points(group=f"workflow_monitor.{group}") if not point.extras]
            print(*[point.load().__name__ for point in points])
    """
    assert run("python", "-c", code).split() == ["DuckDBStore", "LeaseQueue", *PANELS]


@pytest.mark.parametrize(
    ("factory", "name", "hint"),
    [
        (
            "workflow_monitor.store.open_store",
            "postgresql://localhost/ingester",
            "psycopg, which is not installed: pip install 'workflow-monitor[postgres]'.",
        ),
        ("workflow_monitor.server.extension.load_queue", "dask", "pip install 'workflow-monitor[dask]'"),
    ],
)
def test_a_missing_extra_raises_an_error_with_the_install_command(run: Run, factory: str, name: str, hint: str) -> None:
    code = f"""if True:
        import pkgutil
        from workflow_monitor.domain.errors import StoreUnavailable
        try:
            pkgutil.resolve_name({factory!r})({name!r})
        except StoreUnavailable as error:
            print(error.detail)
    """
    assert hint in run("python", "-c", code)


def test_the_command_runs(run: Run) -> None:
    assert "demo" in run("workflow-monitor", "--help")


def test_the_extension_is_enabled_and_valid(run: Run) -> None:
    extensions = re.sub("\x1b\\[[0-9]*m", "", run("jupyter", "server", "extension", "list"))
    assert "workflow_monitor enabled" in extensions
    assert f"workflow_monitor {__version__} OK" in extensions


@pytest.fixture
def server(installed: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """URL of a server that is started with a port and a token only."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path / "log"
    options = [f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser", "--allow-root"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [installed / "jupyter", "server", *options, "--ServerApp.base_url=/user/me/"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield f"http://127.0.0.1:{port}/user/me/"
    finally:
        process.terminate()
        process.wait(timeout=30)
        print(log.read_text())


def get(url: str) -> tuple[int, str]:
    """Return status and body of the first response; retry refused connections for 60 seconds."""
    request = urllib.request.Request(url, headers={"Authorization": f"token {TOKEN}"})
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_a_server_runs_without_configuration(server: str) -> None:
    status, body = get(f"{server}workflow-monitor/")
    assert (status, body.strip()) == (200, "ingester ok")
    status, body = get(f"{server}workflow-monitor/aoi/")
    assert (status, json.loads(body)) == (200, [])

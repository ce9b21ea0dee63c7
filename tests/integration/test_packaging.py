"""What people get from the wheel: installed into a new virtual environment, it works without another step."""

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


def said(command: list[str], cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """What a command that must succeed printed."""
    run = subprocess.run(
        command, check=False, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
    )
    assert run.returncode == 0, f"{command}\n{run.stdout}"
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    said(build)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new virtual environment into which nothing but the wheel was installed."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    python = folder / "bin" / "python"
    beside = Path(sys.executable).with_name("uv")
    if uv := str(beside) if beside.exists() else shutil.which("uv"):
        make, install = [uv, "venv", "--python", sys.executable], [uv, "pip", "install", "--python", str(python)]
    else:
        make, install = [sys.executable, "-m", "venv"], [str(python), "-m", "pip", "install"]
    said([*make, str(folder)])
    said([*install, str(wheel)])
    return python.parent


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of a user who has never started Jupyter."""
    home = str(tmp_path_factory.mktemp("home"))
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL_ENV"))
    }
    return {**kept, "HOME": home, "XDG_DATA_HOME": f"{home}/share", "XDG_CONFIG_HOME": f"{home}/config"}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    files = (path.relative_to(ROOT).as_posix() for path in (ROOT / "workflow_monitor").rglob("*") if path.is_file())
    assert {name for name in files if "__pycache__" not in name} <= set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_says_its_version_and_licence(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("workflow-monitor", __version__)
    assert (metadata["License-Expression"], metadata["License-File"]) == ("BSD-3-Clause", "LICENSE")


def test_the_wheel_has_the_extras_that_people_are_told_to_install(metadata: Message) -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    told = [names for text in texts for names in re.findall(r"workflow-monitor\[([a-z,]+)\]", text.read_text("utf-8"))]
    assert (
        {"dask", "demo"}
        <= {name for names in told for name in names.split(",")}
        <= set(metadata.get_all("Provides-Extra", []))
    )


def test_the_extra_for_dask_brings_what_the_queue_imports(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if line.endswith("extra == 'dask'")]
    assert {re.split(r"[<>=;]", line)[0] for line in needed} == {"cloudpickle", "distributed"}


Run = Callable[..., str]


@pytest.fixture
def run(installed: Path, environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs a program of the new environment, away from the checkout, and answers what it said."""

    def run_there(program: str, *arguments: str) -> str:
        return said([str(installed / program), *arguments], cwd=tmp_path, env=environment)

    return run_there


#: what extras bring along, as far as a module asks for it first
EXTRAS = {"cloudpickle", "jupyterhub", "psycopg", "pytest"}


def test_every_module_is_there_with_all_it_imports_but_extras(run: Run) -> None:
    code = """if True:
        import importlib, pkgutil, workflow_monitor
        for module in pkgutil.walk_packages(workflow_monitor.__path__, "workflow_monitor."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                print(error.name)
    """
    assert set(run("python", "-c", code).split()) == EXTRAS


def test_the_notebooks_come_along(run: Run) -> None:
    code = (
        "from workflow_monitor.demo.run import notebooks; print(*sorted(path.name for path in notebooks().iterdir()))"
    )
    assert run("python", "-c", code).split() == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


PANELS = ["Dashboard", "Failures", "Graph", "Map", "Summary", "Timeline"]


def test_stores_queues_and_panels_are_found_by_their_entry_points(run: Run) -> None:
    code = """if True:
        from importlib.metadata import entry_points
        for group in ("stores", "queues", "panels"):
            points = [point for point in entry_points(group=f"workflow_monitor.{group}") if not point.extras]
            print(*[point.load().__name__ for point in points])
    """
    assert run("python", "-c", code).split() == ["DuckDBStore", "LeaseQueue", *PANELS]


@pytest.mark.parametrize(
    ("made_by", "name", "told"),
    [
        (
            "workflow_monitor.store.open_store",
            "postgresql://localhost/ingester",
            "psycopg, which is not installed: pip install 'workflow-monitor[postgres]'.",
        ),
        ("workflow_monitor.server.extension.load_queue", "dask", "pip install 'workflow-monitor[dask]'"),
    ],
)
def test_what_needs_packages_that_are_not_there_tells_what_to_install(
    run: Run, made_by: str, name: str, told: str
) -> None:
    code = f"""if True:
        import pkgutil
        from workflow_monitor.domain.errors import StoreUnavailable
        try:
            pkgutil.resolve_name({made_by!r})({name!r})
        except StoreUnavailable as error:
            print(error.detail)
    """
    assert told in run("python", "-c", code)


def test_the_command_is_there(run: Run) -> None:
    assert "demo" in run("workflow-monitor", "--help")


def test_the_extension_is_enabled_and_valid(run: Run) -> None:
    listed = re.sub("\x1b\\[[0-9]*m", "", run("jupyter", "server", "extension", "list"))
    assert "workflow_monitor enabled" in listed
    assert f"workflow_monitor {__version__} OK" in listed


@pytest.fixture
def server(installed: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of a server that was started with no configuration but its port and token."""
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


def answer(url: str) -> tuple[int, str]:
    """Status and body, as soon as the server answers at all."""
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


def test_a_server_answers_without_any_configuration(server: str) -> None:
    status, body = answer(f"{server}workflow-monitor/")
    assert (status, body.strip()) == (200, "ingester ok")
    status, body = answer(f"{server}workflow-monitor/aoi/")
    assert (status, json.loads(body)) == (200, [])

"""Fixtures and rules of all tests: loopback network only, no silent skips, exclusive runs for tests that measure.

A missing prerequisite skips its tests and names the package to install. With WORKFLOW_MONITOR_REQUIRE_ALL=1, as in
.ci/run, every skip is a failure.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests import postgres
from tests.example_servers import Servers, seed
from tests.scale import FACTOR
from tests.server_process import free_port

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
REQUIRE_ALL = os.environ.get("WORKFLOW_MONITOR_REQUIRE_ALL", "") not in {"", "0"}


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium that tests can drive."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("there is no Chromium: sudo apt-get install chromium")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.PostgreSQL]:
    """A real PostgreSQL server; see tests/postgres.py."""
    with postgres.postgresql(free_port()) as server:
        yield server


@pytest.fixture
def postgres_url(postgresql: postgres.PostgreSQL) -> Iterator[str]:
    """The URL of an empty database."""
    with postgresql.database() as url:
        yield url


@pytest.fixture(scope="session")
def seeded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with a small ingestion; see tests/example_servers.py."""
    return seed(tmp_path_factory.mktemp("seeded"))


@pytest.fixture(scope="session")
def example_servers(seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers over copies of that store."""
    with Servers(seeded_store, tmp_path_factory) as servers:
        yield servers


# --- the slow tests start first, so that no worker of pytest-xdist is left with a long file at the end

SLOW_FIRST = (
    "tests/torture/test_against_model.py",
    "tests/conformance",
    "tests/integration/test_benchmarks.py",
    "tests/browser",
    "tests/torture",
    "tests/integration",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, path in enumerate(SLOW_FIRST) if item.nodeid.startswith(path)), len(SLOW_FIRST))


# --- skips are failures where everything is required


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skip((yield))


def _without_skip(report: Report) -> Report:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"left out, though WORKFLOW_MONITOR_REQUIRE_ALL is set: {reason}"
    return report


# --- figures that tests record are printed at the end


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted = [
        (report.nodeid, report.user_properties)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call" and report.user_properties
    ]
    if FACTOR and counted:
        terminalreporter.section("figures")
        for nodeid, properties in counted:
            terminalreporter.line(f"{nodeid}: {', '.join(f'{name} {value}' for name, value in properties)}")


# --- tests marked `alone` run while the other workers of pytest-xdist wait


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if "PYTEST_XDIST_WORKER" not in os.environ or getattr(item.config, "cache", None) is None:
        return (yield)
    alone = item.get_closest_marker("alone") is not None
    mode = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    locks = item.config.cache.mkdir("alone")
    # An exclusive test holds the door as well: shared tests that start later cannot delay it forever.
    with (locks / "door").open("w") as door, (locks / "room").open("w") as room:
        fcntl.flock(door, mode)
        fcntl.flock(room, mode)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        return (yield)


# --- no test reaches beyond this machine


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    host = str(address[0]) if isinstance(address, tuple) else "localhost"
    if not (host in {"localhost", "::1"} or host.startswith("127.")):
        message = f"tests reach this machine only, not {host}"
        raise PermissionError(message)


sys.addaudithook(_loopback_only)

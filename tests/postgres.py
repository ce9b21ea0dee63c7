"""PostgreSQL for tests: a server in a temporary folder, and an empty database for each test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

#: reason of skipped tests
ADVICE = "there is no PostgreSQL: sudo apt-get install postgresql"
USER = "postgres"


def programs() -> Path:
    """Return the folder of initdb and postgres, which Debian keeps out of the PATH; skip the test without one."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not folders and (initdb := shutil.which("initdb")):
        folders = [Path(initdb).resolve().parent]
    if not folders:
        pytest.skip(ADVICE)
    return folders[-1]


class PostgreSQL:
    """A running server, which listens on a socket in its folder and on a TCP port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._numbers = count(1)
        self._empty: list[str] = []

    def url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database, which is emptied and reused after the context."""
        url = self._empty.pop() if self._empty else self.create()
        yield url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA IF EXISTS workflow_monitor CASCADE; DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        self._empty.append(url)

    def create(self, options: str = "") -> str:
        """Create a database and return its URL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())
        return self.url(name)

    def dump(self, url: str, *options: str) -> str:
        """Dump a database as SQL."""
        command = [str(programs() / "pg_dump"), "--no-owner", *options, url]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        # newer versions of pg_dump add lines with a random token
        return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)


@contextmanager
def postgresql(port: int) -> Iterator[PostgreSQL]:
    """Run a server without fsync: its data need not survive a crash."""
    tools = programs()
    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
            as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
        data = folder / "data"
        options = ["-A", "trust", "-U", USER, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run([*as_user, tools / "initdb", "-D", data, *options], check=True, capture_output=True, cwd=folder)
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
            "full_page_writes": "off",
            "checkpoint_timeout": "1h",
            "max_connections": 200,
            "shared_buffers": "64MB",
        }
        command = [
            *as_user,
            str(tools / "postgres"),
            "-D",
            str(data),
            *(f"--{key}={value}" for key, value in settings.items()),
        ]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
        ):
            try:
                _await(tools, port, process, folder / "log")
                yield PostgreSQL(folder, port)
            finally:
                process.send_signal(signal.SIGQUIT)  # immediate shutdown: the data are deleted anyway
                process.wait(30)


def _await(tools: Path, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ready = [str(tools / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    for _ in range(60):
        if subprocess.run(ready, check=False).returncode == 0:
            return
        assert process.poll() is None, log.read_text()
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(log.read_text())

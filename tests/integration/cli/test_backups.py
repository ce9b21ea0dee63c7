"""`workflow-monitor backup` and `workflow-monitor restore`, from the backup of a running server to the restored one."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.example_servers import Servers, call
from tests.integration.cli.conftest import Terminal
from tests.server_process import free_port, live_server


@pytest.fixture
def folder(seeded_store: Path, tmp_path: Path) -> Path:
    """Folder of a server with a copy of the seeded store."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy2(seeded_store, folder)
    return folder


def scenes(server: Any) -> int:
    return sum(len(call(server, "GET", f"aoi/{aoi}/scenes")) for aoi in ("DenmarkS1", "DenmarkS2"))


def test_restore_repairs_a_broken_store_of_a_waiting_server(folder: Path, tmp_path: Path) -> None:
    """Restore a broken store with the commands in the messages."""
    store, port = folder / "workflow.duckdb", free_port()
    with live_server(folder, port=port) as server:
        terminal = Terminal(server, tmp_path)
        output, _ = terminal.run("backup")
        backup = Path(output.rpartition(" (")[0])
        assert backup.parent == Path(f"{store}.backups")
        assert output.endswith(" MB)\n")
        call(server, "DELETE", "aoi/DenmarkS2")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(120)
    store.write_bytes(b"no database" * 1000)
    with live_server(folder, port=port, ready="aoi/", retry_opening_seconds=0.1) as server:
        terminal = Terminal(server, tmp_path)
        _, errors = terminal.run("aois", expect=1)
        command = f"workflow-monitor restore {store}"
        assert command in " ".join(errors.split())
        restored = terminal.json("restore", str(store))
        assert (restored["aois"], restored["scenes"], restored["tiles"]) == (2, 10, 26)
        assert restored["from"] == str(backup)
        assert (Path(restored["aside"]) / store.name).read_bytes().startswith(b"no database")
        assert scenes(server) == 10
        _, errors = terminal.run("restore", str(store), expect=1)
        assert "belongs to another running server" in errors
    output, _ = terminal.run("restore", str(store), "--as-is")
    assert "2 AOIs, 10 scenes, 26 tiles" in output
    assert "The previous files are in" in output


def test_restore_explains_missing_backups_and_conflicting_options(
    folder: Path, example_servers: Servers, tmp_path: Path
) -> None:
    terminal = Terminal(example_servers.untouched(), tmp_path)
    store = folder / "workflow.duckdb"
    _, errors = terminal.run("restore", str(store), expect=1)
    assert f"There is no backup in {store}.backups" in errors
    _, errors = terminal.run("restore", str(store), "--as-is", "--backup", str(store), expect=2)
    assert "exclude each other" in errors


def test_backup_prints_a_json_document(example_servers: Servers, tmp_path: Path) -> None:
    backup = Terminal(example_servers.untouched(), tmp_path).json("backup")
    assert set(backup) == {"file", "made", "bytes"}
    assert Path(backup["file"]).stat().st_size == backup["bytes"]

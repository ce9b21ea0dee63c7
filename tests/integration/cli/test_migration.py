"""`workflow-monitor undo-migration` on a PostgreSQL server."""

from __future__ import annotations

from typer.testing import CliRunner

from tests.postgres import PostgreSQL
from workflow_monitor.cli import app
from workflow_monitor.store import open_store


def run(*words: str, stdin: str = "", expect: int = 0) -> str:
    """Run the command and return its output."""
    result = CliRunner().invoke(app, ["undo-migration", *words], input=stdin)
    assert result.exit_code == expect, result.output
    return result.output


def test_undo_migration_drops_the_added_tables_after_confirmation(postgresql: PostgreSQL, postgres_url: str) -> None:
    open_store(postgres_url).close()
    run(postgres_url, stdin="n\n", expect=1)
    assert "workflow_monitor" in postgresql.dump(postgres_url)
    assert "were removed" in run(postgres_url, stdin="y\n")
    dump = postgresql.dump(postgres_url)
    assert "workflow_monitor" not in dump
    assert "wm_" not in dump
    assert run(postgres_url, "--yes") == "The database has no tables or columns of this project.\n"
    output = run("postgresql://postgres:secret@127.0.0.1:1/none", "--yes", expect=1)
    assert "secret" not in output
    assert "failed" in output

"""Commands in a terminal, each in its own process, against a Jupyter server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.example_servers import MESSAGE, call
from tests.integration.cli.conftest import Terminal
from tests.server_process import LiveServer

HOSTILE = 'A\x1b[2J\x1b]0;owned\x07 "quoted"\nnext \u202etxet'


def test_aois_lists_counts_per_aoi(terminal: Terminal) -> None:
    output, _ = terminal.run("aois")
    head, first, second = output.splitlines()
    assert head.split() == ["AOI", "status", "progress", "scenes", "tiles", "retry", "failed", "from", "to"]
    assert first.split()[:8] == ["DenmarkS1", "↻", "RETRY", "8%", "4", "20", "1", "0"]
    assert second.split()[:6] == ["DenmarkS2", "◔", "PENDING", "0%", "6", "6"]
    assert len(terminal.run("aois", "*S2")[0].splitlines()) == 2
    documents = terminal.json("aois")
    assert [one["name"] for one in documents] == ["DenmarkS1", "DenmarkS2"]
    assert documents[0]["scenes"] == {"NEW": 0, "PENDING": 1, "DONE": 2, "RETRY": 1, "FAILED": 0}


def test_why_and_blockers(terminal: Terminal) -> None:
    (blocker,) = terminal.json("blockers", "DenmarkS1")
    assert (blocker["kind"], blocker["id"], blocker["blocked"]) == ("scene", 3, 5)
    assert "scene" in terminal.run("blockers", "DenmarkS1")[0]
    output, _ = terminal.run("why", "scene", "3")
    assert MESSAGE in output
    assert [cause["reason"] for cause in terminal.json("why", "scene", "3")["causes"]] == ["retry"]
    assert "There is no tile with the id 99" in terminal.run("why", "tile", "99", expect=1)[1]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_tables_fit_the_terminal_width(terminal: Terminal, server: LiveServer, width: int) -> None:
    name = f"{'long ' * 60}{width}"
    call(server, "POST", f"aoi/{name}")
    for command in (["aois"], ["status", "DenmarkS1"], ["status", name], ["failures", "DenmarkS1"]):
        output, _ = terminal.run(*command, COLUMNS=str(width))
        assert output
        assert max(map(len, output.splitlines())) <= width, output
    output, _ = terminal.run("failures", "DenmarkS1", COLUMNS=str(200))
    assert MESSAGE in output


def test_names_are_escaped_for_the_terminal(terminal: Terminal, server: LiveServer) -> None:
    from urllib.parse import quote

    call(server, "POST", f"aoi/{quote(HOSTILE, safe='')}")
    for command in (["aois"], ["status", HOSTILE]):
        output, _ = terminal.run(*command, COLUMNS="200")
        assert not {"\x1b", "\x07", "\u202e"} & set(output)
        assert r"A\x1b[2J" in output
    assert HOSTILE in [one["name"] for one in terminal.json("aois")]
    _, errors = terminal.run("status", f"{HOSTILE} not", expect=1)
    assert not {"\x1b", "\x07", "\u202e"} & set(errors)


def test_status_prints_an_aoi(terminal: Terminal) -> None:
    output, _ = terminal.run("status", "DenmarkS1")
    assert output.startswith("DenmarkS1  ↻ RETRY\n")
    assert "1 scenes" in output
    assert terminal.json("status", "DenmarkS1")["status"] == "RETRY"


def test_failures_prints_groups(terminal: Terminal) -> None:
    (group,) = terminal.json("failures", "DenmarkS1")
    assert (group["count"], group["kind"], group["example"], group["ids"]) == (1, "scene", MESSAGE, [3])
    assert group["since"].endswith("+00:00")
    assert terminal.json("failures", "DenmarkS2") == []


def test_retry_records_the_actor(terminal: Terminal, server: LiveServer) -> None:
    output, _ = terminal.run("retry", "DenmarkS1", "--actor", "Åse")
    assert output == "1 scenes and 0 tiles were retried.\n"
    assert call(server, "GET", "scene/3")["status"] == "PENDING"
    assert call(server, "GET", "aoi/DenmarkS1/history")[-1]["who"] == "Åse"
    assert terminal.json("retry", "DenmarkS1") == {"scenes": 0, "tiles": 0}


def test_retry_of_items_prints_refusals(terminal: Terminal) -> None:
    output, errors = terminal.run("retry", "--scene", "3", "--scene", "4", "--tile", "999", expect=1)
    assert output == "1 of 3 retried.\n"
    assert "scene 4: " in errors
    assert "tile 999: " in errors
    outcomes = terminal.json("retry", "--scene", "3", "--force")
    assert [one["outcome"] for one in outcomes] == ["done"]


@pytest.mark.parametrize("words", [["retry"], ["retry", "DenmarkS1", "--tile", "1"], ["fail"]])
def test_retry_and_fail_require_an_aoi_or_items(terminal: Terminal, words: list[str]) -> None:
    _, errors = terminal.run(*words, expect=2)
    assert "--scene" in errors


def test_fail_asks_for_confirmation(terminal: Terminal, server: LiveServer) -> None:
    _, prompt = terminal.run("fail", "--scene", "3", stdin="n\n", expect=1)
    assert "Fail 1 scene (3)?" in prompt
    assert call(server, "GET", "scene/3")["status"] == "RETRY"
    output, _ = terminal.run("fail", "--scene", "3", stdin="y\n")
    assert output.strip() == "1 of 1 failed."
    assert call(server, "GET", "scene/3")["status"] == "FAILED"
    outcomes = terminal.json("fail", "--tile", "1", "--tile", "2", "--force", "--yes")
    assert [(one["id"], one["outcome"]) for one in outcomes] == [(1, "done"), (2, "done")]


def test_watch_prints_a_summary(terminal: Terminal, server: LiveServer) -> None:
    output, _ = terminal.run("watch", "DenmarkS2", "--timeout", "0.5", expect=1)
    assert "timed out after" in output
    for scene_id in range(5, 11):
        call(server, "PUT", f"scene/{scene_id}/fail/force")
    summary = terminal.json("watch", "DenmarkS2")
    assert summary["ended"] == "idle"
    assert summary["after"]["scenes"]["FAILED"] == 6


def test_export_writes_parquet_files(terminal: Terminal, tmp_path: Path) -> None:
    files = terminal.json("export", "DenmarkS1", "out")
    assert [Path(file).name for file in files] == ["scenes.parquet", "tiles.parquet", "history.parquet"]
    with duckdb.connect() as connection:
        counts = [connection.read_parquet(str(tmp_path / file)).shape[0] for file in files]
    assert counts[:2] == [4, 20]
    assert counts[2] > 24


def test_errors_are_printed_without_a_traceback(terminal: Terminal) -> None:
    _, errors = terminal.run("status", "Denmark", expect=1)
    assert "Denmark" in errors
    terminal.environment["WORKFLOW_MONITOR_URL"] = "http://127.0.0.1:9/"
    _, errors = terminal.run("aois", expect=1)
    assert "WORKFLOW_MONITOR_URL" in errors


def test_the_error_for_a_wrong_token_hides_it(terminal: Terminal) -> None:
    _, errors = terminal.run("aois", expect=1, WORKFLOW_MONITOR_TOKEN="not-the-token")
    assert "token" in errors
    assert "not-the-token" not in errors


def test_the_cli_does_not_import_pandas(terminal: Terminal) -> None:
    code = (
        "import sys, workflow_monitor.cli; print([n for n in ('pandas', 'geopandas', 'pyarrow') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=terminal.environment
    )
    assert result.stdout == "[]\n"

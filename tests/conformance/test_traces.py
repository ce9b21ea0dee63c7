"""The recorded conversations with the reference server, had again with ours.

`deviations.json` lists the deliberate differences. Many traces run into one of these differences
without naming it in their `quirks`: QUIRKS names them here, each trace for itself, so that no other trace is read
more loosely. Further deviations are in `further_deviations.json`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.material import DEVIATIONS, FURTHER_DEVIATIONS, HERE, REPLAY, trace_paths
from tests.server_process import LiveServer, live_server

QUIRKS: Mapping[str, list[str]] = json.loads((HERE / "quirks.json").read_text(encoding="utf-8"))
NUMBER_OF_TRACES = 150


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server over each of the stores."""
    with ExitStack() as stack:
        options = {}
        if request.param == "postgresql":
            database = request.getfixturevalue("postgresql").database()
            options["store_url"] = stack.enter_context(database)
        yield stack.enter_context(live_server(tmp_path_factory.mktemp("conformance"), **options))


def replay(server: LiveServer, traces: list[Path]) -> dict[str, str]:
    """Replay traces; return the line of each trace by its name: `ok ...`, `skip ...` or `FAIL ...`."""
    deviations = [f"--deviations={path}" for path in (DEVIATIONS, FURTHER_DEVIATIONS)]
    program = [sys.executable, str(REPLAY), f"--base-url={server.url}", f"--token={server.token}"]
    command = [*program, *deviations, *map(str, traces)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "skip ", "FAIL "))]
    return {re.split(r"[ :]+", line)[1]: line for line in lines}


@pytest.fixture(scope="module")
def named(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The traces with the quirks that they do not name themselves, replayed."""
    folder = tmp_path_factory.mktemp("traces")
    written = []
    for path in trace_paths():
        trace = json.loads(path.read_text(encoding="utf-8"))
        quirks = [quirk for quirk, names in QUIRKS.items() if trace["name"] in names]
        trace = {**without_invented_dates(trace, quirks), "quirks": [*trace.get("quirks", []), *quirks]}
        written.append(folder / path.name)
        written[-1].write_text(json.dumps(trace), encoding="utf-8")
    return replay(server, written)


def without_invented_dates(trace: dict[str, object], quirks: list[str]) -> dict[str, object]:
    """Return the trace with `-` in place of the dates that the peer invents for an AOI without tiles."""
    if "no-dates-without-tiles" not in quirks:
        return trace
    text = json.dumps(trace, ensure_ascii=False)
    rewritten = text.replace("From: {$today}", "From: -").replace("From: 0001-01-01", "From: -")
    result: dict[str, object] = json.loads(rewritten.replace("To:   0001-01-01", "To:   -"))
    return result


def test_every_trace_passes_or_is_left_out_for_a_stated_reason(named: dict[str, str]) -> None:
    assert len(named) == NUMBER_OF_TRACES
    assert [line for line in named.values() if line.startswith("FAIL")] == []


def test_a_trace_names_a_quirk_here_only_if_it_fails_without(server: LiveServer) -> None:
    listed = {name for names in QUIRKS.values() for name in names}
    without = replay(server, [path for path in trace_paths() if path.stem in listed])
    assert set(without) == listed
    assert [name for name, line in without.items() if not line.startswith("FAIL")] == []

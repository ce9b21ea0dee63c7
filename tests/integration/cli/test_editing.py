"""Commands that create and delete AOIs, add scenes, and show and change single items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Terminal
from tests.paths import DATA


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    path = tmp_path / "scenes.json"
    path.write_text(json.dumps([scene("a"), scene("b")]))
    return path


def scene(name: str) -> dict[str, Any]:
    tiles = {"T": {"swath_id": "", "tile_nr": 0}}
    return {"source_id": name, "data": {"graph_name": "Copy", "tiles": tiles}, "tiles": {"T": {"data": {}}}}


@pytest.fixture
def aoi(terminal: Terminal) -> Any:
    """Name of an AOI without scenes, deleted after the test."""
    name = "Fyn 2022"
    assert terminal.json("create", name) == {"name": name}
    yield name
    if name in [one["name"] for one in terminal.json("aois")]:
        terminal.run("delete", name, "--yes")


def test_an_empty_aoi_is_shown_as_empty(terminal: Terminal, aoi: str) -> None:
    _, *rows = terminal.run("aois", aoi)[0].splitlines()
    assert "empty" in rows[0]
    assert "100%" not in rows[0]
    assert terminal.json("aois", aoi)[0]["progress"] is None


def test_a_blank_name_is_refused(terminal: Terminal) -> None:
    _, error = terminal.run("create", "  ", expect=1)
    assert "blank" in error


def test_stac_items_of_a_file_are_added_and_invalid_ones_skipped(terminal: Terminal, aoi: str, tmp_path: Path) -> None:
    items = [json.loads(path.read_bytes()) for path in (DATA / "stac").glob("sentinel-2-l2a-*.json")]
    items[0]["geometry"] = {"type": "Point", "coordinates": [10, 55]}
    path = tmp_path / "search.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    assert items[0]["id"] in terminal.run("add", aoi, str(path), "--tiles", "mgrs", expect=1)[1]
    output, error = terminal.run("add", aoi, str(path), "--tiles", "mgrs", "--invalid", "skip")
    assert output == f"{len(items) - 1} scenes were added; 1 invalid ones were skipped.\n"
    assert items[0]["id"] in error
    added = terminal.json("add", aoi, str(path), "--invalid", "skip", "--existing", "skip")
    assert (list(added["invalid"]), added["ids"], len(added["existing"])) == ([items[0]["id"]], {}, len(items) - 1)


def test_scenes_of_a_file_are_added(terminal: Terminal, aoi: str, scenes: Path) -> None:
    assert terminal.run("add", aoi, str(scenes))[0] == "2 scenes were added.\n"
    scenes.write_text(json.dumps([scene("b"), scene("c")]))
    _, error = terminal.run("add", aoi, str(scenes), expect=1)
    assert "existing=skip" in error
    added = terminal.json("add", aoi, str(scenes), "--existing", "skip")
    assert (list(added["ids"]), list(added["existing"])) == (["c"], ["b"])
    output, _ = terminal.run("add", aoi, str(scenes), "--existing", "skip")
    assert output == "0 scenes were added; 2 that the AOI already has were skipped.\n"


def test_the_history_of_an_aoi_and_of_an_item_is_listed(terminal: Terminal, aoi: str, scenes: Path) -> None:
    ids = terminal.json("add", aoi, str(scenes))["ids"]
    head, *rows = terminal.run("history", aoi)[0].splitlines()
    assert head.split() == ["time", "kind", "id", "before", "after", "cause", "who", "message"]
    assert len(rows) >= 5
    events = terminal.json("history", aoi, "--scene", str(ids["a"]))
    assert {(event["kind"], event["id"]) for event in events} == {("scene", ids["a"])}
    assert events[-1]["after"] == "PENDING"
    assert len(terminal.json("history", aoi, "--limit", "1")) == 1
    assert terminal.json("history", aoi, "--status", "failed") == []


def test_the_data_of_an_item_is_changed(terminal: Terminal, aoi: str, scenes: Path, tmp_path: Path) -> None:
    item = "--scene", str(terminal.json("add", aoi, str(scenes))["ids"]["a"])
    changed = json.loads(terminal.run("data", *item, "--set", "graph_name=Other", "--set", "tags.orbit=44x")[0])
    assert (changed["graph_name"], changed["tags"]) == ("Other", {"orbit": "44x"})
    changed = json.loads(terminal.run("data", *item, "--remove", "tags", "--set", 'metadata={"cloud": 12}')[0])
    assert "tags" not in changed
    assert changed["metadata"] == {"cloud": 12}
    replacement = tmp_path / "data.json"
    replacement.write_text(json.dumps({"graph_name": "New", "tiles": changed["tiles"]}))
    assert json.loads(terminal.run("data", *item, "--replace", str(replacement))[0])["graph_name"] == "New"
    assert json.loads(terminal.run("data", *item)[0])["metadata"] is None
    _, error = terminal.run("data", *item, "--set", "graph=Other", expect=1)
    assert "graph" in error
    for words in ((*item, "--set", "graph_name"), (*item, "--tile", "1"), ()):
        terminal.run("data", *words, expect=2)


def test_an_item_is_shown(terminal: Terminal, aoi: str, scenes: Path) -> None:
    scene_id = terminal.json("add", aoi, str(scenes))["ids"]["b"]
    output, _ = terminal.run("show", "--scene", str(scene_id))
    assert output.splitlines()[1].strip() == "b"
    assert terminal.json("show", "--scene", str(scene_id))["source_id"] == "b"


def test_an_aoi_is_deleted_after_a_confirmation(terminal: Terminal, aoi: str, scenes: Path) -> None:
    terminal.run("add", aoi, str(scenes))
    _, question = terminal.run("delete", aoi, stdin="n\n", expect=1)
    assert "with 2 scenes and 2 tiles" in question
    assert terminal.json("delete", aoi, "--yes") == {"name": aoi, "scenes": 2, "tiles": 2}
    _, error = terminal.run("status", aoi, expect=1)
    assert "workflow-monitor aois" in error


@pytest.mark.parametrize(
    "words", [["status", "Nowhere"], ["status", "Den*"], ["retry", "--scene", "999"], ["status", "DenmarkS1"]]
)
def test_hints_are_commands(terminal: Terminal, words: list[str]) -> None:
    code = 0 if words[-1] == "DenmarkS1" else 1
    text = "".join(terminal.run(*words, expect=code))
    for python in (" m.", "m[", "aoi.", "Monitor("):
        assert python not in text


def test_watch_hints_at_commands(terminal: Terminal) -> None:
    output, _ = terminal.run("watch", "DenmarkS1", "--timeout", "0.1", expect=1)
    assert "workflow-monitor retry DenmarkS1" in output

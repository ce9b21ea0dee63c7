"""AOIs: lists, actions, groups of failures, and displays."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tests.example_servers import MESSAGE, call
from tests.server_process import LiveServer
from workflow_monitor import Monitor
from workflow_monitor.client.errors import AOIExists, AOINotFound, ConfirmationRequired, InvalidInput, MonitorError


def test_aois_returns_a_frame_with_counts(m: Monitor) -> None:
    table = m.aois().set_index("name")
    assert table.index.tolist() == ["DenmarkS1", "DenmarkS2"]
    row = table.loc["DenmarkS1"]
    assert (row["status"], row["scenes"], row["tiles"]) == ("RETRY", 4, 20)
    assert (row["scenes_done"], row["scenes_retry"], row["tiles_new"]) == (2, 1, 10)
    assert row["first"].isoformat() == "2022-01-11T00:00:00+00:00"
    assert m.aois("*S2")["name"].tolist() == ["DenmarkS2"]
    assert m.aois("DenmarkS1")["name"].tolist() == m.names("DenmarkS1") == ["DenmarkS1"]
    assert m.aois("Sweden").empty
    assert m.aois("Sweden*").empty
    assert list(m.aois("Sweden*").columns) == list(m.aois().columns)


def test_lookup_by_name_is_exact(m: Monitor) -> None:
    assert "DenmarkS1" in m
    assert "denmarks1" not in m
    assert m["DenmarkS2"].name == "DenmarkS2"
    with pytest.raises(AOINotFound, match="There are: 'DenmarkS1', 'DenmarkS2'"):
        m["denmarks1"]
    with pytest.raises(LookupError, match=r"m\.aois\(\)"):
        m["Sweden"]
    with pytest.raises(MonitorError, match="is a pattern"):
        m["Denmark*"]


@pytest.mark.parametrize("name", ["a/b", "ø ü", "100%", "a b?c=d&e#f", "'\"<>"])
def test_names_with_special_characters_round_trip(m: Monitor, name: str) -> None:
    try:
        aoi = m.create(name)
    except InvalidInput:
        assert "?" in name
        return
    assert m[name].name == name
    assert aoi.scenes().empty
    aoi.delete()
    assert name not in m


def test_creating_an_existing_aoi_raises(m: Monitor) -> None:
    m.create("Bornholm")
    with pytest.raises(AOIExists):
        m.create("Bornholm")


def test_names_are_compared_in_their_normal_form(m: Monitor) -> None:
    aoi = m.create(" A\u030arhus ")
    assert aoi.name == m["A\u030arhus"].name == "\u00c5rhus"
    assert "A\u030arhus" in m
    aoi.add_scenes([{"source_id": "a", "aoi": "A\u030arhus", "data": {"tiles": {"t": {}}}, "tiles": {"t": {}}}])
    aoi.delete(confirm="A\u030arhus")
    assert "\u00c5rhus" not in m


@pytest.mark.parametrize("name", ["", "  ", "\u3000", "\u200b"])
def test_blank_names_are_refused(m: Monitor, name: str) -> None:
    with pytest.raises(InvalidInput):
        m.create(name)


def test_deleting_a_non_empty_aoi_requires_its_name(m: Monitor) -> None:
    for confirm in ("", "yes", "DenmarkS"):
        with pytest.raises(ConfirmationRequired, match="6 scenes and 6 tiles"):
            m["DenmarkS2"].delete(confirm=confirm)
    aoi = m["DenmarkS2"]
    aoi.delete(confirm="DenmarkS2")
    with pytest.raises(AOINotFound):
        aoi.refresh()


def test_retry_returns_the_counts_of_scenes_and_tiles(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    assert aoi.retry() == (1, 0)
    assert aoi.retry() == (0, 0)
    scenes, tiles = aoi.retry(force=True)
    assert (scenes, tiles) == (2, 10)
    assert aoi.scenes()["status"].tolist() == ["DONE", "DONE", "PENDING", "PENDING"]


def test_retry_and_fail_accept_rows_of_frames(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    tiles = aoi.tiles()
    outcome = tiles[tiles["scene"].eq(1)].pipe(m.fail, force=True)
    assert outcome["kind"].tolist() == ["tile"] * 5
    assert outcome["outcome"].tolist() == ["done"] * 5
    refused = m.retry([1, 10_000], kind="scene")
    assert refused["outcome"].tolist() == ["refused", "unknown"]
    assert "RETRY" in refused["reason"][0]
    assert aoi.failures().query("kind == 'scene'").pipe(m.retry)["outcome"].tolist() == ["done"]
    assert m.retry(aoi.scenes("RETRY")).empty
    with pytest.raises(MonitorError, match='kind="scene"'):
        m.retry([1])
    with pytest.raises(MonitorError, match="no column `id`"):
        m.retry(tiles[["status"]])


def test_failures_are_grouped_by_message_template(m: Monitor, server: LiveServer) -> None:
    ids = m["DenmarkS1"].tiles("PENDING")["id"].tolist()
    messages = [f"open /tmp/{item_id}-a/{item_id}.dim: no such file or directory" for item_id in ids]
    results = [
        {"type": "tile", "id": item_id, "status": "RETRY", "message": message}
        for item_id, message in zip(ids, messages, strict=True)
    ]
    call(server, "POST", "results", results)
    groups = m["DenmarkS1"].failures()
    first, second = groups[["message_template", "kind", "count", "retry", "failed"]].to_numpy().tolist()
    assert first == ["open <path>: no such file or directory", "tile", len(ids), len(ids), 0]
    assert second == [MESSAGE, "scene", 1, 1, 0]
    assert groups.attrs["ids"] == {"scene": {MESSAGE: [3]}, "tile": {first[0]: ids}}
    assert groups.columns[0] == "message_template"
    assert groups.dtypes["since"] == groups.dtypes["last"] == "datetime64[s, UTC]"
    assert groups["example"][0] in messages
    assert (groups["since"] <= groups["last"]).all()
    assert "no such file or directory" in str(m["DenmarkS1"])


def test_a_row_of_failures_retries_its_items(m: Monitor) -> None:
    failures = m["DenmarkS1"].failures()
    outcome = m.retry(failures.iloc[0])
    assert outcome[["kind", "id", "outcome"]].to_numpy().tolist() == [["scene", 3, "done"]]


def test_a_row_of_a_frame_names_its_item(m: Monitor) -> None:
    assert m.retry(m["DenmarkS1"].scenes("RETRY").iloc[0])["outcome"].tolist() == ["done"]


def test_a_retry_of_tiles_that_failed_with_their_scene_retries_the_scene(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    m.scene(3).fail()
    failures = aoi.failures()
    tiles = failures[failures["kind"] == "tile"]
    assert tiles["message_template"].tolist() == [f"scene failed: {MESSAGE}"]
    assert tiles["example"].tolist() == [MESSAGE]
    assert f"failed with 1 scene: {MESSAGE[:20]}" in str(aoi)
    outcome = m.retry(tiles.iloc[0], force=True)
    assert outcome[["kind", "id", "outcome"]].to_numpy().tolist() == [["scene", 3, "done"]]


# --- displays

HOSTILE = '<img src=x onerror="alert(1)">\n</div><script>alert(2)</script>\u202e&amp;'


class Tags(HTMLParser):
    """Parser that collects the tags and attributes of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_html_displays_escape_markup(m: Monitor, server: LiveServer) -> None:
    aoi = m.create("<script>alert(0)</script>")
    ids = aoi.add_scenes({"source_id": HOSTILE, "data": {"tiles": {"T": {}}}, "tiles": {"T": {"data": {}}}})
    (scene_id,) = ids.values()
    call(server, "POST", "results", [{"type": "scene", "id": scene_id, "status": "RETRY", "message": HOSTILE}])
    for shown in (aoi, m, m.scene(scene_id)):
        html = shown._repr_html_()
        parser = Tags()
        parser.feed(html)
        assert parser.tags & {"script", "img"} == set()
        assert {name for name in parser.attributes if name.startswith("on")} == set()
        assert "&lt;script&gt;alert(" in html
    assert "<script>alert(0)</script>" in str(aoi)


def test_text_displays_show_status_and_failures(m: Monitor) -> None:
    lines = str(m["DenmarkS1"]).splitlines()
    assert lines[0].startswith("DenmarkS1")
    assert "RETRY" in lines[0]
    assert MESSAGE in lines[-1]
    assert "DenmarkS2" in str(m)

"""Single scenes and tiles: properties, actions and their actor."""

from __future__ import annotations

import pytest

from workflow_monitor import Monitor
from workflow_monitor.client import Scene, Tile
from workflow_monitor.client.errors import InvalidTransition, ItemNotFound, MonitorError, NotRetriable


def test_scene_properties(m: Monitor) -> None:
    scene = m.scene(3)
    assert (scene.id, scene.aoi, scene.status) == (3, "DenmarkS1", "RETRY")
    assert scene.message.startswith("ProcessScene")
    assert scene.tags["relativeOrbit"] == "44"
    assert scene.date is not None
    assert scene.date.tzname() == "UTC"
    assert scene.geometry is not None
    assert scene.tiles()["scene"].tolist() == [3] * 5


def test_tile_properties(m: Monitor) -> None:
    tile = m.tile(11)
    assert tile.previous is not None
    assert m.tile(tile.previous).previous is None
    assert tile.scene.id == 3
    assert tile.date == tile.scene.date


@pytest.mark.parametrize("item_id", [0, 999, 2**63 - 1])
def test_unknown_ids_raise(m: Monitor, item_id: int) -> None:
    with pytest.raises(ItemNotFound):
        m.scene(item_id)
    with pytest.raises(ItemNotFound):
        m.tile(item_id)


@pytest.mark.parametrize("row", ["iloc", "iterrows"])
def test_a_row_of_a_frame_names_its_items(m: Monitor, row: str) -> None:
    aoi = m["DenmarkS1"]
    frame = aoi.failures()
    rows = {"iloc": frame.iloc[0], "iterrows": next(frame.iterrows())[1]}
    assert m.retry(rows[row])[["kind", "id", "outcome"]].values.tolist() == [["scene", 3, "done"]]
    assert m.force(aoi.scenes().iloc[2], "RETRY")["outcome"].tolist() == ["done"]
    assert m.retry(next(aoi.scenes("RETRY").itertuples()))["id"].tolist() == [3]
    assert m.retry([aoi.scenes().iloc[2], m.scene(3)], force=True)["id"].tolist() == [3]
    assert m.force(aoi.tiles().iloc[1], "RETRY")[["kind", "id"]].values.tolist() == [["tile", 2]]


def test_retry_fail_and_force_change_the_status(m: Monitor) -> None:
    scene = m.scene(3)
    assert scene.retry().status == "PENDING"
    with pytest.raises(NotRetriable, match="force"):
        scene.retry()
    with pytest.raises(InvalidTransition):
        scene.fail()
    assert scene.retry(force=True).status == "PENDING"
    assert scene.fail(force=True).status == "FAILED"
    assert scene.force("retry").status == "RETRY"
    assert [event for event in scene.history()["cause"].tolist() if event != "ingest"][-1] != "result"


def test_failing_a_tile_unlinks_its_successor(m: Monitor) -> None:
    tile = m.tile(11)
    assert tile.previous is not None
    before = m.tile(tile.previous)
    before.fail(force=True)
    assert before.refresh().status == "FAILED"
    assert tile.refresh().previous is None


def test_an_unknown_status_raises_before_a_request(m: Monitor) -> None:
    with pytest.raises(Exception, match="'LOST' is not a status"):
        m.scene(3).force("LOST")
    assert m.scene(3).status == "RETRY"


def test_why_names_the_failure_in_the_way(m: Monitor) -> None:
    why = m.tile(11).why()
    assert [cause.item.id for cause in why.causes if cause.item.type == "scene"] == [3]
    text = str(why)
    assert text.startswith("tile 11 A44_IW1_8951 is NEW.")
    assert "scene 3" in text
    assert "waits for a retry: ProcessScene.NewStorage: badly formatted storage uri" in text
    assert str(m.scene(1).why()).endswith("is DONE.")
    assert "its job is queued since" in str(m.scene(4).why())


def test_blockers_are_repaired_by_a_retry(m: Monitor) -> None:
    blockers = m["DenmarkS1"].blockers()
    assert blockers[["kind", "id", "status", "blocked", "startable"]].values.tolist() == [["scene", 3, "RETRY", 5, 5]]
    assert blockers.head(1).pipe(m.retry)["outcome"].tolist() == ["done"]
    assert m["DenmarkS1"].blockers().empty


def test_events_record_the_actor(m: Monitor) -> None:
    m.scene(3).retry()
    assert m.scene(3).history()["who"].tolist()[-1] == "Åse Ørsted"


def test_items_have_descriptive_representations(m: Monitor) -> None:
    scene, tile = m.scene(3), m.tile(1)
    assert m.retry([scene])["outcome"].tolist() == ["done"]
    assert repr(tile) == "<Tile 1 PENDING A44_IW1_8951>"
    assert isinstance(scene, Scene)
    assert isinstance(tile, Tile)
    assert "previous" in str(tile)
    assert "RETRY" in m.scene(3).__class__(m._api, {**scene._document, "status": "RETRY"})._repr_html_()


def test_ids_must_be_integers(m: Monitor) -> None:
    with pytest.raises((MonitorError, ValueError)):
        m.scene("../aoi")  # type: ignore[arg-type]

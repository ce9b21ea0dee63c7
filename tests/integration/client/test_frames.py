"""Frames: equal columns and types for all servers, empty frames included."""

from __future__ import annotations

import duckdb
import geopandas as gpd
import pandas as pd
import pytest

from workflow_monitor import Monitor
from workflow_monitor.client import AOI, expand
from workflow_monitor.client.errors import InvalidInput, MonitorError
from workflow_monitor.client.geocube import GeocubeApi
from workflow_monitor.domain.errors import UnknownStatus

STATUSES = ["NEW", "PENDING", "DONE", "RETRY", "FAILED"]
SQUARE = "POLYGON((9 54, 10 54, 10 55, 9 55, 9 54))"


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def test_scene_frames_have_typed_columns(m: Monitor) -> None:
    scenes = m["DenmarkS1"].scenes()
    assert isinstance(scenes, gpd.GeoDataFrame)
    assert scenes.crs == "EPSG:4326"
    assert scenes["id"].tolist() == [1, 2, 3, 4]
    assert scenes["status"].cat.categories.tolist() == STATUSES
    assert scenes["status"].tolist() == ["DONE", "DONE", "RETRY", "PENDING"]
    assert types(scenes)["date"] == "datetime64[us, UTC]"
    assert scenes["date"].iloc[0] == pd.Timestamp("2022-01-11T17:01:24.370Z")
    west, south, east, north = scenes.total_bounds
    assert -180 <= west < east <= 180
    assert 50 < south < north < 60


def test_tile_frames_link_the_scene_and_the_previous_tile(m: Monitor) -> None:
    tiles = m["DenmarkS1"].tiles().set_index("id")
    assert tiles.loc[1, ["scene", "scene_status"]].tolist() == [1, "DONE"]
    assert pd.isna(tiles.loc[1, "previous"])
    later = tiles[tiles["previous"].notna()]
    assert later["previous_status"].tolist() == tiles.loc[later["previous"].astype(int), "status"].tolist()
    assert (tiles.loc[later["previous"].astype(int), "date"].to_numpy() < later["date"].to_numpy()).all()
    assert tiles["status"].cat.categories.tolist() == STATUSES


def test_frames_filter_by_status_and_page(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    assert aoi.scenes("RETRY")["id"].tolist() == [3]
    assert aoi.scenes(["RETRY", "DONE"])["id"].tolist() == [1, 2, 3]
    assert aoi.tiles(page=1, limit=3)["id"].tolist() == [4, 5, 6]
    with pytest.raises(MonitorError, match="single status"):
        aoi.scenes(["RETRY", "DONE"], limit=1)
    with pytest.raises(UnknownStatus, match="'LOST' is not a status"):
        aoi.scenes("LOST")


def test_an_empty_aoi_has_the_same_columns_and_types(m: Monitor) -> None:
    full, empty = m["DenmarkS1"], m.create("Empty")
    for name in ("scenes", "tiles", "history"):
        expected, actual = types(getattr(full, name)()), types(getattr(empty, name)())
        assert {column: kind for column, kind in actual.items() if kind != "category"} == {
            column: kind for column, kind in expected.items() if kind != "category"
        }
        assert list(actual) == list(expected)
    assert types(empty.failures()) == types(full.failures())
    assert empty.scenes().crs == empty.tiles().crs == "EPSG:4326"
    assert empty.scenes()["status"].cat.categories.tolist() == STATUSES


def test_arrow_and_json_yield_equal_frames(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    by_arrow = aoi.scenes(), aoi.tiles()
    # The Geocube API reads the JSON responses of the same endpoints.
    plain = AOI(GeocubeApi(m._api.connection), aoi.overview)
    by_json = plain.scenes(), plain.tiles()
    for one, other in zip(by_arrow, by_json, strict=True):
        # A Geocube server has neither footprints nor their origin.
        shared = [
            name
            for name in one.columns
            if name in other.columns and name not in {"data", "geometry", "geometry_origin"}
        ]
        assert {"id", "status", "date", "message"} <= set(shared)
        pd.testing.assert_frame_equal(pd.DataFrame(one[shared]), pd.DataFrame(other[shared]))


def test_frames_include_scenes_without_footprint_or_date(m: Monitor) -> None:
    aoi = m.create("Bare")
    tiles: dict[str, dict[str, object]] = {"T": {"data": {}}}
    bare = {"source_id": "bare", "data": {"tiles": {"T": {}}}, "tiles": tiles}
    placed = {"source_id": "placed", "data": {"wkt": SQUARE, "tiles": {"T": {}}}, "tiles": tiles}
    aoi.add_scenes([bare, placed])
    scenes = aoi.scenes().set_index("source_id")
    assert scenes.geometry["bare"] is None
    assert scenes.geometry["placed"].bounds == (9, 54, 10, 55)
    assert pd.isna(scenes["date"]["bare"])
    assert aoi.tiles().geometry.isna().tolist() == scenes.geometry.isna().tolist()


def test_tags_and_payload_become_columns_on_request(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    scenes = aoi.scenes(tags=["relativeOrbit"], data=["graph_name", "wkt"])
    assert scenes["tags.relativeOrbit"].tolist() == ["44"] * 4
    assert scenes["data.wkt"].isna().all()
    assert "data.graph_name" in scenes
    assert "tags.orbit" in aoi.scenes(tags=True)
    assert aoi.tiles(tags="relativeOrbit")["tags.relativeOrbit"].tolist() == ["44"] * 20
    again = expand(expand(scenes, tags=True), tags=True)
    assert list(again.columns).count("tags.relativeOrbit") == 1
    with pytest.raises(MonitorError, match="no column `data`"):
        expand(scenes[["id"]], tags=True)


def test_a_mistyped_tag_is_an_error_that_lists_the_tags(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    for read in (aoi.scenes, aoi.tiles, lambda tags: aoi.scenes("RETRY", tags=tags)):
        with pytest.raises(InvalidInput, match=r"no tag 'orbitt'\. Tags: .*orbit.*relativeOrbit"):
            read(tags=["relativeOrbit", "orbitt"])
    with pytest.raises(InvalidInput, match=r"no field 'graph_nam'\. Fields: .*graph_name"):
        aoi.scenes(data="graph_nam")


def test_a_tag_of_other_scenes_is_no_error_in_a_filtered_list(m: Monitor) -> None:
    aoi = m.create("Bornholm")
    aoi.add_scenes(pd.DataFrame({"source_id": ["a", "b"], "tags.cloud": ["12", None], "tags.orbit": ["44", "44"]}))
    m.force(aoi.scenes().query("source_id == 'b'"), "RETRY")
    assert aoi.scenes("RETRY", tags="cloud")["tags.cloud"].isna().tolist() == [True]
    assert m.create("Empty").scenes(tags="cloud")["tags.cloud"].tolist() == []


def test_columns_of_the_history_need_no_quotes_in_sql(m: Monitor) -> None:
    events = m["DenmarkS1"].history()
    query = "SELECT before, after, cause FROM events WHERE kind = 'scene' AND id = 3 ORDER BY seq"
    with duckdb.connect() as connection:
        rows = connection.execute(query).fetchall()
    assert rows[-1] == ("PENDING", "RETRY", "result")
    assert {"before", "after"} <= set(events.columns)


def test_history_filters_by_item_and_time(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    events = aoi.history()
    assert events["seq"].is_monotonic_increasing
    assert types(events)["time"] == "datetime64[us, UTC]"
    assert aoi.history(kind="scene", id=3)["after"].tolist()[-1] == "RETRY"
    middle = events["time"].iloc[len(events) // 2]
    assert len(aoi.history(until=middle)) + len(aoi.history(since=middle)) == len(events)
    assert aoi.history(since=middle.isoformat()).equals(aoi.history(since=middle))
    assert len(aoi.history(limit=5)) == 5

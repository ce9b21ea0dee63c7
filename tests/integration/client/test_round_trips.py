"""Scenes of one AOI are added to another with tiles, links and footprints, or refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import box, mapping, shape

from tests.paths import DATA
from workflow_monitor import Monitor
from workflow_monitor.client import AOI
from workflow_monitor.client.errors import InvalidInput

SQUARE = mapping(box(10, 55, 11, 56))
CATALOGUE = "S1A_IW_SLC__1SDV_20220204T170123_20220204T170150_041766_04F863_D5BE"
SPIKED = [[10, 54], [12, 54], [14, 54], [12, 54], [12, 56], [10, 56], [10, 54]]


def document(name: str, *tiles: str, after: str = "", retry_count: int = 0, **data: Any) -> dict[str, Any]:
    links = {"previous_scene_id": after, "reference_scene_id": after} if after else {}
    return {
        "source_id": name,
        "retry_count": retry_count,
        "data": {
            "date": "2022-01-04T10:34:31Z",
            "tiles": {t: {"swath_id": "IW1", "tile_nr": 4} for t in tiles},
            **data,
        },
        "tiles": {
            tile: {
                "data": {"swath_id": "IW1", "tile_nr": 4, "graph_name": "S1BackscatterCoherence", "is_retriable": True},
                **links,
                **({"previous_tile_id": tile, "reference_tile_id": tile} if after else {}),
            }
            for tile in tiles
        },
    }


@pytest.fixture
def original(m: Monitor) -> AOI:
    """An AOI with footprints of every origin, links and retry counts."""
    aoi = m.create("DenmarkDemo")
    catalogue = json.loads((DATA / "tilesInventory.json").read_text(encoding="utf-8"))
    properties = catalogue["Scenes"]["features"][0]["properties"]
    properties["wkt"] = properties["tiles"][0]["wkt"] = shape({"type": "Polygon", "coordinates": [SPIKED]}).wkt
    aoi.add_scenes(catalogue)
    aoi.add_scenes(
        [
            document("geometry", "B1", "B2", geometry=SQUARE, tags={"orbit": "44"}, metadata={"a": [1.5]}),
            document("wkt", "B1", after="geometry", wkt=box(10, 55, 11, 56).wkt, retry_count=3),
            document("around", "B1", wkt="POLYGON ((179 0, -179 0, -179 1, 179 1, 179 0))"),
            document("S2B_MSIL2A_20220112T104319_N0510_R008_T32UNG_20240428T024837", "T32UNG"),
            document("nowhere", "B1"),
            document("repaired", "B1", geometry={"type": "Polygon", "coordinates": [SPIKED]}),
        ]
    )
    return aoi


@pytest.fixture
def copy(m: Monitor) -> AOI:
    return m.create("Copy")


def content(aoi: AOI) -> dict[str, Any]:
    """Return the scenes and tiles of an AOI by name, without ids and state."""
    scenes, tiles = (frame.astype(object).where(frame.notna(), None) for frame in (aoi.scenes(), aoi.tiles()))
    names = {tile.id: (tile.scene_source_id, tile.source_id) for tile in tiles.itertuples()}
    return {
        row.source_id: {
            "data": json.loads(row.data),
            "footprint": (row.geometry.wkt if row.geometry else None, row.geometry_origin, row.geometry_note),
            "retries": row.retry_countdown,
            "tiles": {
                tile.source_id: (
                    json.loads(tile.data),
                    names.get(tile.previous),
                    names.get(tile.reference),
                    tile.geometry.wkt if tile.geometry else None,
                    tile.geometry_origin,
                    tile.geometry_note,
                )
                for tile in tiles[tiles["scene"] == row.id].itertuples()
            },
        }
        for row in scenes.itertuples()
    }


def test_the_original_has_notes_of_scenes_and_tiles(original: AOI) -> None:
    assert original.scenes()["geometry_note"].notna().sum() >= 2
    assert content(original)[CATALOGUE]["tiles"]["A44_IW1_8951"][-1].startswith("Repaired")


def test_the_frame_of_an_aoi_is_added_whole(original: AOI, copy: AOI) -> None:
    copy.add_scenes(original.scenes())
    assert content(copy) == content(original)


def test_a_second_copy_is_equal(m: Monitor, original: AOI, copy: AOI) -> None:
    copy.add_scenes(original.scenes())
    again = m.create("Again")
    again.add_scenes(copy.scenes())
    assert content(again) == content(copy)


@pytest.mark.parametrize("read", [Path, gpd.read_parquet], ids=["path", "frame"])
def test_an_export_is_added_whole(original: AOI, copy: AOI, tmp_path: Path, read: Any) -> None:
    scenes, *_ = original.to_parquet(tmp_path)
    copy.add_scenes(read(scenes))
    assert content(copy) == content(original)


def test_an_export_of_a_deleted_aoi_has_its_tiles_beside(original: AOI, copy: AOI, tmp_path: Path) -> None:
    scenes, tiles, *_ = original.to_parquet(tmp_path)
    before = content(original)
    original.delete(confirm=original.name)
    with pytest.raises(InvalidInput, match=r"'DenmarkDemo', which this server does not have.*tiles=tiles"):
        copy.add_scenes(gpd.read_parquet(scenes))
    copy.add_scenes(gpd.read_parquet(scenes), tiles=gpd.read_parquet(tiles))
    assert content(copy) == before
    scenes.rename(tmp_path / "alone.parquet")
    with pytest.raises(InvalidInput, match="tiles=tiles"):
        copy.add_scenes(tmp_path / "alone.parquet")


@pytest.mark.parametrize("suffix", ["json", "geojson", "ndjson"])
def test_lists_of_the_server_are_added_whole(m: Monitor, original: AOI, copy: AOI, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scenes.{suffix}"
    params = {"tiles": "true", "format": suffix}
    path.write_bytes(original._api.connection.read(f"aoi/{original.name}/scenes", params=params).body)
    copy.add_scenes(path)
    assert content(copy) == content(original)


def test_rows_and_changes_of_a_frame_are_kept(original: AOI, copy: AOI) -> None:
    scenes = original.scenes(tags=["orbit"])
    part = scenes[scenes["source_id"].isin(["geometry", "wkt", "nowhere"])].copy()
    part["tags.orbit"] = "139"
    part["geometry"] = [box(20, 55, 21, 56)] * 3
    copy.add_scenes(part.to_crs(3857))
    copied = copy.scenes(tags=True)
    assert copied["tags.orbit"].tolist() == ["139"] * 3
    assert copied.total_bounds == pytest.approx([20, 55, 21, 56])
    assert copy.tiles()["previous"].notna().sum() == 1


def test_a_link_to_a_scene_that_is_left_out_is_refused(original: AOI, copy: AOI) -> None:
    scenes = original.scenes()
    with pytest.raises(InvalidInput, match="B1"):
        copy.add_scenes(scenes[scenes["source_id"] == "wkt"])
    assert copy.refresh().overview.scenes.total() == 0


def test_a_frame_of_other_scenes_with_the_same_ids_is_refused(original: AOI, copy: AOI) -> None:
    scenes = original.scenes()
    scenes["source_id"] = scenes["source_id"] + "_renamed"
    with pytest.raises(InvalidInput, match="The tiles of 9 scenes are missing"):
        copy.add_scenes(scenes)


def test_columns_without_ids_are_refused_and_names_of_tiles_accepted(original: AOI, copy: AOI) -> None:
    columns = original.scenes()[["source_id", "data", "geometry"]]
    with pytest.raises(InvalidInput, match="Keep the columns id and aoi"):
        copy.add_scenes(columns)
    names = [list(json.loads(data)["tiles"]) for data in columns["data"]]
    assert len(copy.add_scenes(columns.assign(tiles=names))) == 9


def test_a_part_of_the_tiles_is_refused(original: AOI, copy: AOI) -> None:
    scenes, tiles = original.scenes(), original.tiles()
    for part in (tiles.iloc[:3], tiles.drop(columns="data"), pd.DataFrame()):
        with pytest.raises(InvalidInput, match="tiles=tiles"):
            copy.add_scenes(scenes, tiles=part)

"""Export: atomic GeoParquet files, readable by GeoPandas and DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import geopandas as gpd
import pandas as pd
import pytest

from workflow_monitor import Monitor

FILES = ["scenes.parquet", "tiles.parquet", "history.parquet"]


def test_geopandas_reads_the_export(m: Monitor, tmp_path: Path) -> None:
    aoi = m["DenmarkS1"]
    paths = aoi.to_parquet(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == FILES
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(FILES)
    scenes = gpd.read_parquet(paths[0])
    assert scenes.crs == "EPSG:4326"
    assert scenes["date"].tolist() == aoi.scenes()["date"].tolist()
    assert scenes["status"].tolist() == ["DONE", "DONE", "RETRY", "PENDING"]
    assert scenes.geometry.geom_equals(aoi.scenes().geometry).all()
    assert gpd.read_parquet(paths[1])["previous"].dtype == "Int64"
    assert len(pd.read_parquet(paths[2])) == len(aoi.history())


def test_duckdb_reads_the_export(m: Monitor, tmp_path: Path) -> None:
    m["DenmarkS1"].to_parquet(tmp_path)
    with duckdb.connect() as connection:
        scenes, tiles = (connection.read_parquet(str(tmp_path / name)) for name in FILES[:2])
        joined = tiles.set_alias("t").join(scenes.set_alias("s"), "t.scene = s.id")
        counts = joined.aggregate("s.status::VARCHAR AS status, count(*)").order("status").fetchall()
    assert counts == [("DONE", 10), ("PENDING", 5), ("RETRY", 5)]


def columns(path: Path) -> list[object]:
    with duckdb.connect() as connection:
        table = connection.read_parquet(str(path))
        return list(zip(table.columns, table.types, strict=True))


def test_the_export_of_an_empty_aoi_has_the_same_columns(m: Monitor, tmp_path: Path) -> None:
    full = m["DenmarkS1"].to_parquet(tmp_path / "full")
    empty = m.create("Empty").to_parquet(tmp_path / "empty")
    for one, other in zip(full, empty, strict=True):
        assert columns(one) == columns(other)
    assert gpd.read_parquet(empty[0]).crs == "EPSG:4326"


def test_an_export_replaces_files_atomically(m: Monitor, tmp_path: Path) -> None:
    (tmp_path / "scenes.parquet").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    m["DenmarkS1"].to_parquet(tmp_path)
    assert len(gpd.read_parquet(tmp_path / "scenes.parquet")) == 4
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "notes.txt"])


def test_a_file_at_the_export_path_raises(m: Monitor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        m["DenmarkS1"].to_parquet(tmp_path / "file")

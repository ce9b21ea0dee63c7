"""Scenes from files, lists and frames; an invalid scene is reported and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import box

from tests.paths import DATA
from workflow_monitor import Monitor
from workflow_monitor.client import AOI
from workflow_monitor.client.errors import InvalidInput, MonitorError, RequestRejected, SceneExists


def document(name: str, **data: object) -> dict[str, Any]:
    return {
        "source_id": name,
        "data": {"date": "2022-01-04T10:34:31Z", "tiles": {"T": {}}, **data},
        "tiles": {"T": {"data": {}}},
    }


@pytest.fixture
def aoi(m: Monitor) -> AOI:
    return m.create("Bornholm")


def test_add_scenes_accepts_a_catalogue_file(m: Monitor) -> None:
    aoi = m.create("DenmarkDemo")
    path = DATA / "tiles.json"
    features = json.loads(path.read_text())["features"]
    ids = aoi.add_scenes(path)
    assert len(ids) == len(features) == aoi.overview.scenes.total()
    scenes = aoi.scenes(tags=["relativeOrbit"])
    assert set(scenes["source_id"]) == set(ids)
    assert scenes["tags.relativeOrbit"].notna().all()
    assert scenes.geometry.notna().all()


def test_add_scenes_accepts_a_parsed_catalogue(m: Monitor) -> None:
    value = json.loads((DATA / "tiles.json").read_text())
    assert len(m.create("DenmarkDemo").add_scenes(value)) == len(value["features"])


def test_a_catalogue_of_another_aoi_is_rejected(aoi: AOI) -> None:
    with pytest.raises(InvalidInput, match="expected 'Bornholm' as in the path, found 'DenmarkDemo'"):
        aoi.add_scenes(DATA / "tiles.json")


@pytest.mark.parametrize("name", ["scenes.json", "scenes.ndjson", "scenes.JSONL"])
def test_add_scenes_accepts_files(aoi: AOI, tmp_path: Path, name: str) -> None:
    documents = [{"aoi": "Bornholm", **document(name)} for name in ("a", "bé")]
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in documents)
    (tmp_path / name).write_text(json.dumps(documents) if name == "scenes.json" else lines, encoding="utf-8")
    assert list(aoi.add_scenes(str(tmp_path / name))) == ["a", "bé"]


def test_add_scenes_accepts_one_document_or_a_list(aoi: AOI) -> None:
    assert list(aoi.add_scenes(document("a"))) == ["a"]
    assert list(aoi.add_scenes([document("b"), document("c")])) == ["b", "c"]
    assert aoi.overview.scenes.total() == 3


def test_a_frame_in_another_crs_is_reprojected(aoi: AOI) -> None:
    frame = gpd.GeoDataFrame(
        {
            "source_id": ["S2A_1", "S2A_2"],
            "date": pd.to_datetime(["2022-01-04T10:34:31Z", "2022-01-09T11:34:31+01:00"], utc=True),
            "tags.relativeOrbit": ["8", None],
            "graph_name": ["CopyProductToStorage", "Other"],
            "tiles": [["33UVB", "33UWB"], []],
        },
        geometry=[box(14.6, 54.9, 15.2, 55.4)] * 2,
        crs=4326,
    ).to_crs(32633)
    aoi.add_scenes(frame)
    scenes = aoi.scenes(tags=True, data="graph_name")
    assert scenes["date"].tolist() == frame["date"].tolist()
    assert scenes["tags.relativeOrbit"].tolist()[0] == "8"
    assert scenes["data.graph_name"].tolist() == ["CopyProductToStorage", "Other"]
    assert scenes.total_bounds == pytest.approx([14.6, 54.9, 15.2, 55.4], abs=1e-6)
    assert aoi.tiles()["source_id"].tolist() == ["33UVB", "33UWB", "S2A_2"]


def test_errors_of_the_server_name_the_row_and_the_column_of_a_frame(aoi: AOI) -> None:
    frame = pd.DataFrame({"source_id": ["a", "b"], "uuid": [None, "no uuid"], "tags.orbit": ["44", None]}, index=[7, 9])
    with pytest.raises(InvalidInput, match="row 9, column uuid: expected a UUID") as caught:
        aoi.add_scenes(frame)
    assert [place for place, _ in caught.value.errors] == ["row 9, column uuid"]


INVALID: dict[str, Callable[[Path], Any]] = {
    "no such file": lambda folder: folder / "nothing.json",
    "a folder": lambda folder: folder,
    "nothing": lambda _: [],
    "numbers": lambda _: [1, 2],
    "a number": lambda _: 7,
    "bytes": lambda _: b"[]",
    "no name": lambda _: [document("a"), {"data": {}, "tiles": {}}],
    "not a number": lambda _: [document("a", metadata=float("nan"))],
    "not JSON": lambda _: [document("a", metadata=object())],
    "unknown columns": lambda _: pd.DataFrame({"source_id": ["a"], "colour": ["red"]}),
    "no source ids": lambda _: pd.DataFrame({"id": [1]}),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_scenes_are_rejected(aoi: AOI, tmp_path: Path, case: str) -> None:
    with pytest.raises(InvalidInput):
        aoi.add_scenes(INVALID[case](tmp_path))
    assert aoi.refresh().overview.scenes.total() == 0


def test_the_error_names_an_invalid_json_file(aoi: AOI, tmp_path: Path) -> None:
    path = tmp_path / "scenes.json"
    path.write_text("<html>")
    with pytest.raises(InvalidInput, match=r"scenes\.json is not JSON"):
        aoi.add_scenes(path)


def test_existing_scenes_are_refused_with_all_their_ids(aoi: AOI) -> None:
    ids = aoi.add_scenes([document(f"S{index:02}") for index in range(30)])
    with pytest.raises(SceneExists, match="already has") as caught:
        aoi.add_scenes([document(name) for name in [*ids, "new"]])
    assert caught.value.ids == ids
    assert aoi.refresh().overview.scenes.total() == 30


@pytest.mark.parametrize("form", ["documents", "file", "frame"])
def test_existing_scenes_are_skipped_on_request(m: Monitor, aoi: AOI, tmp_path: Path, form: str) -> None:
    first = aoi.add_scenes([document("a"), document("b")])
    m.force([first["a"]], "DONE", kind="scene")
    documents = [{"aoi": "Bornholm", **document(name)} for name in ("a", "b", "c")]
    path = tmp_path / "scenes.json"
    path.write_text(json.dumps(documents))
    frame = pd.DataFrame({"source_id": ["a", "b", "c"]})
    forms: dict[str, Any] = {"documents": documents, "file": path, "frame": frame}
    added = aoi.add_scenes(forms[form], existing="skip")
    assert list(added) == ["c"]
    assert added.existing == first
    assert aoi.scenes().set_index("source_id")["status"].to_dict() == {"a": "DONE", "b": "PENDING", "c": "PENDING"}


def test_an_unknown_option_for_existing_scenes_is_refused(aoi: AOI) -> None:
    with pytest.raises(MonitorError, match='existing="skip"'):
        aoi.add_scenes(document("a"), existing="overwrite")  # type: ignore[arg-type]


def test_a_rejected_batch_adds_no_scene(aoi: AOI) -> None:
    aoi.add_scenes(document("a"))
    with pytest.raises(SceneExists):
        aoi.add_scenes([document("b"), document("a")])
    after_none = document("c")
    after_none["tiles"]["T"]["previous"] = {"scene": "nowhere", "tile": "T"}
    with pytest.raises(RequestRejected):
        aoi.add_scenes([document("d"), after_none])
    assert aoi.scenes()["source_id"].tolist() == ["a"]

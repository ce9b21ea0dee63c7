"""Client of a Geocube workflow server, against a server that replays recorded conversations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest

from tests.conformance.material import trace_folder, trace_paths
from tests.trace_server import TOKEN, ReplayServer, Trace
from workflow_monitor import Monitor
from workflow_monitor.client import errors
from workflow_monitor.client.geocube import GeocubeApi, read_overview
from workflow_monitor.client.scene_input import SceneBody
from workflow_monitor.domain.status import ItemKind, Status


@pytest.fixture(scope="module")
def recorded() -> Iterator[ReplayServer]:
    with ReplayServer() as server:
        yield server


@pytest.fixture(scope="module")
def m(recorded: ReplayServer) -> Iterator[Monitor]:
    recorded.reset()
    with Monitor(recorded.url, token=TOKEN) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def all_traces() -> list[Trace]:
    traces = [Trace(path) for path in trace_paths()]
    assert len(traces) == 150
    return traces


def api_of(m: Monitor) -> GeocubeApi:
    assert isinstance(m._api, GeocubeApi)
    return m._api


def test_a_geocube_server_is_detected(m: Monitor, recorded: ReplayServer) -> None:
    assert m.kind == "Geocube workflow server"
    assert m.url == recorded.url


def test_wrong_and_missing_tokens_raise(recorded: ReplayServer) -> None:
    for token, message in (("wrong", "invalid token"), (None, "token not found")):
        with pytest.raises(errors.AccessDenied, match=message):
            Monitor(recorded.url, token=token)


def test_leasing_from_a_geocube_server_raises(m: Monitor) -> None:
    with pytest.raises(errors.NotSupported, match="message broker"):
        m.process("tcp://nowhere:8786", scene=lambda job: None)


# ---- recorded reads


def test_recorded_reads_are_parsed(m: Monitor, recorded: ReplayServer, all_traces: list[Trace]) -> None:
    read: dict[str, int] = {}
    for trace in all_traces:
        recorded.reset()
        for index, step in enumerate(trace.steps):
            recorded.play(step)
            if step.get("request", {}).get("method") == "GET" and step["response"]["status"] == 200:
                kind = compare(m, unquote(step["request"]["path"]), step["response"]["body"], f"{trace.name} {index}")
                read[kind] = read.get(kind, 0) + 1
    assert read["/scene/N/tiles"] > 1000
    assert read["/tile/N"] > 600
    assert read["/aoi/X"] > 50
    assert read["/aoi/X/scenes"] > 30


def compare(m: Monitor, path: str, body: Any, where: str) -> str:
    """Compare the client's reading of a path with the recorded response, and return the pattern of the path."""
    api = api_of(m)
    if match := re.fullmatch(r"/(scene|tile)/(\d+)", path):
        item = m.scene(int(match[2])) if match[1] == "scene" else m.tile(int(match[2]))
        assert (item.id, item.source_id, item.status) == (body["id"], body["source_id"], body["status"]), where
        assert (item.message, item.retry_countdown) == (body["message"], body["RetryCountDown"]), where
        assert item.data == body["data"], where
        assert item.attempt is None
        return f"/{match[1]}/N"
    if match := re.fullmatch(r"/scene/(\d+)/tiles", path):
        if match[1] != "0" and body:
            assert_tiles(m.scene(int(match[1])).tiles(), body, where)
        return "/scene/N/tiles"
    if path == "/aoi/":
        assert m.names() == [aoi["ID"] for aoi in body], where
        return path
    if (match := re.fullmatch(r"/aoi/([^/*?]+)", path)) and match[1] in m:
        overview = m[match[1]].overview
        assert body.startswith(f"Scenes:\n  new:     {overview.scenes[Status.NEW]}\n"), where
        assert f"\nRoot tiles : {overview.root_tiles}\n" in body, where
        assert sum(map(int, re.findall(r"Total: +(\d+)", body))) == overview.scenes.total() + overview.tiles.total()
        return "/aoi/X"
    if (match := re.fullmatch(r"/aoi/([^/*?]+)/scenes(?:/([A-Z]+))?", path)) and match[1] in m:
        if match[2] is None or match[2] in set(Status):
            assert_scenes(m[match[1]].scenes(match[2]), body, where)
        return "/aoi/X/scenes"
    if (match := re.fullmatch(r"/aoi/([^/*?]+)/tiles/([A-Z]+)", path)) and match[1] in m and match[2] in set(Status):
        table = api.items(ItemKind.TILE, match[1], Status(match[2]))
        assert table["id"].to_pylist() == sorted(tile["id"] for tile in body), where
        return "/aoi/X/tiles/S"
    return "other"


def assert_scenes(frame: pd.DataFrame, body: list[dict[str, Any]], where: str) -> None:
    expected = sorted(body, key=lambda scene: scene["id"])
    for column, field in (("id", "id"), ("source_id", "source_id"), ("status", "status"), ("message", "message")):
        assert frame[column].tolist() == [scene[field] for scene in expected], where
    for date, scene in zip(frame["date"], expected, strict=True):
        text = scene["data"]["date"]
        assert pd.isna(date) if text.startswith("0001") else date == moment(text), where


def assert_tiles(frame: pd.DataFrame, body: list[dict[str, Any]], where: str) -> None:
    expected = sorted(body, key=lambda tile: tile["id"])
    for column, field in (("id", "id"), ("source_id", "source_id"), ("status", "status"), ("message", "message")):
        assert frame[column].tolist() == [tile[field] for tile in expected], where
    for column, field in (("previous", "PreviousID"), ("reference", "ReferenceID")):
        ids = [None if pd.isna(item_id) else item_id for item_id in frame[column]]
        assert ids == [tile[field] for tile in expected], where


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# ---- recorded states as frames


def test_recorded_states_are_read_as_frames(m: Monitor, recorded: ReplayServer, all_traces: list[Trace]) -> None:
    seen = 0
    for trace in all_traces:
        recorded.reset()
        for step in trace.steps:
            recorded.play(step)
        states = [step["state"] for step in trace.steps if "state" in step]
        if "state" not in trace.steps[-1]:
            continue
        for aoi in states[-1]["aois"]:
            if "/" in aoi["ID"] or "*" in aoi["ID"] or "?" in aoi["ID"]:
                continue
            seen += assert_state(m, aoi["ID"], states[-1], trace.name)
    assert seen > 100


def assert_state(m: Monitor, name: str, state: dict[str, Any], where: str) -> int:
    api = api_of(m)
    scenes = {scene["id"]: scene for scene in state["scenes"] if scene["aoi"] == name}
    tiles = {tile["id"]: tile for tile in state["tiles"] if tile["scene"]["id"] in scenes}
    scene_table, tile_table = api.items(ItemKind.SCENE, name), api.items(ItemKind.TILE, name)
    assert scene_table["id"].to_pylist() == sorted(scenes), where
    assert tile_table["id"].to_pylist() == sorted(tiles), where
    for row in tile_table.to_pylist():
        tile = tiles[row["id"]]
        assert (row["status"], row["PreviousID"]) == (tile["status"], tile["PreviousID"]), where
        assert row["scene_source_id"] == scenes[row["scene"]]["source_id"], where
        assert row["aoi"] == name
    return 1


# ---- single ingestions


@pytest.fixture
def chains(m: Monitor, recorded: ReplayServer) -> Monitor:
    recorded.reset()
    for step in Trace(trace_folder() / "chain-fail-root-of-six.json").steps:
        recorded.play(step)
    return m


@pytest.fixture
def granules(m: Monitor, recorded: ReplayServer) -> Monitor:
    recorded.reset()
    for step in Trace(trace_folder() / "aoi-retry-tiles.json").steps:
        recorded.play(step)
    return m


def test_frames_have_the_columns_of_the_workflow_monitor(granules: Monitor, recorded: ReplayServer) -> None:
    api = api_of(granules)
    name = next(iter(recorded.aois))
    from workflow_monitor.client.frames import item_frame

    scenes, tiles = (item_frame(api.items(kind, name), kind) for kind in ItemKind)
    assert str(scenes.crs) == str(tiles.crs) == "EPSG:4326"
    assert {"previous", "previous_status", "reference", "scene", "scene_source_id", "date"} <= set(tiles.columns)
    assert scenes["attempt"].isna().all()
    assert len(tiles)
    assert tiles["scene_source_id"].isin(scenes["source_id"]).all()


def test_footprints_come_from_grid_squares(granules: Monitor, recorded: ReplayServer) -> None:
    from workflow_monitor.client.frames import item_frame

    scenes = item_frame(api_of(granules).items(ItemKind.SCENE, next(iter(recorded.aois))), ItemKind.SCENE)
    granule = scenes["source_id"].str.contains("_T32")
    assert granule.any()
    assert scenes[granule].geometry.is_valid.all()
    assert set(scenes[granule]["geometry_origin"]) == {"mgrs"}


def test_unsupported_operations_raise(chains: Monitor, recorded: ReplayServer) -> None:
    api = api_of(chains)
    name = next(iter(recorded.aois))
    for call in (
        lambda: api.history(name, {}),
        lambda: api.events(name, None, 1),
        lambda: api.retry_aoi(name, force=True),
        lambda: api.items(ItemKind.SCENE, "Den*"),
        lambda: api.ingest(name, SceneBody(b"{}", "application/geo+json")),
    ):
        with pytest.raises(errors.NotSupported, match="Geocube workflow server"):
            call()


def test_an_unknown_aoi_raises(chains: Monitor) -> None:
    with pytest.raises(errors.AOINotFound, match="There are"):
        chains["Denmrak"]


def test_empty_refusals_have_an_explanation(chains: Monitor, recorded: ReplayServer) -> None:
    scene_id = next(iter(recorded.scenes))
    recorded.responses["PUT", f"/scene/{scene_id}/retry"] = (403, "", b"")
    with pytest.raises(errors.NotRetriable, match=f"scene {scene_id} is DONE; only from RETRY"):
        api_of(chains).retry(ItemKind.SCENE, scene_id)
    recorded.responses["PUT", "/scene/4711/fail"] = (403, "", b"")
    with pytest.raises(errors.ItemNotFound):
        api_of(chains).fail(ItemKind.SCENE, 4711)


def test_recorded_refusals_raise_typed_errors(m: Monitor, recorded: ReplayServer, all_traces: list[Trace]) -> None:
    seen: dict[type[Exception] | None, int] = {}
    for trace in all_traces:
        recorded.reset()
        for step in trace.steps:
            recorded.play(step)
            path = step.get("request", {}).get("path", "")
            match = re.fullmatch(r"/(scene|tile)/(\d{1,9})/(retry|fail|force/[A-Z]+)", path)
            if match is None or step["request"]["method"] != "PUT" or "auth" in step["request"]:
                continue
            raised = repair(m, ItemKind(match[1]), int(match[2]), match[3])
            assert (raised is None) == (step["response"]["status"] == 200), f"{trace.name}: {path}"
            seen[raised] = seen.get(raised, 0) + 1
    assert {None, errors.NotRetriable, errors.InvalidTransition} <= set(seen)


def repair(m: Monitor, kind: ItemKind, item_id: int, action: str) -> type[Exception] | None:
    try:
        if action in {"retry", "fail"}:
            getattr(api_of(m), action)(kind, item_id)
        elif action.removeprefix("force/") in set(Status):
            api_of(m).force(kind, item_id, Status(action.removeprefix("force/")))
        else:
            return errors.InvalidInput
    except errors.RequestRejected as error:
        return type(error)
    return None


def test_an_overview_without_leaves_has_no_dates() -> None:
    counts = "".join(f"  {name}:  0\n" for name in ("new", "pending", "done", "retry", "failed", "Total"))
    text = f"Scenes:\n{counts}Tiles:\n{counts}\nRoot tiles : 0\n  From: 2026-11-24\n  To:   0001-01-01\n"
    overview = read_overview("Fyn", Status.NEW, text)
    assert (overview.root_tiles, overview.first, overview.last) == (0, None, None)
    with pytest.raises(errors.UnexpectedResponse):
        read_overview("Fyn", Status.NEW, "something else")

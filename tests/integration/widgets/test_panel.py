"""Python side of the panels: bundles, static output of saved notebooks, and requests through the kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import ipyleaflet
import numpy as np
import numpy.typing as npt
import pytest

from tests.example_servers import TOKEN, Servers
from workflow_monitor import Monitor
from workflow_monitor.client import AOI
from workflow_monitor.client.display import STATUS_COLORS
from workflow_monitor.client.errors import MonitorError, NotSupported
from workflow_monitor.client.geocube import GeocubeApi
from workflow_monitor.domain.status import Status
from workflow_monitor.widgets.bundle import HERE, bundle
from workflow_monitor.widgets.dashboard import Dashboard
from workflow_monitor.widgets.map import Map
from workflow_monitor.widgets.panel import Failures, Graph, Panel, Summary, Timeline
from workflow_monitor.widgets.static_render import render_footprints, render_lanes

PANELS: list[type[Panel]] = [Summary, Map, Graph, Failures, Timeline, Dashboard]
DECLARATION = re.compile(r"^(?:export )?(?:async )?(?:function|class|const) (\w+)", re.MULTILINE)


@pytest.fixture
def m(example_servers: Servers) -> Iterator[Monitor]:
    with Monitor(example_servers.untouched().base_url, token=TOKEN, actor="Åse") as monitor:
        yield monitor


@pytest.mark.parametrize("panel", PANELS)
def test_a_bundle_declares_each_name_once(panel: type[Panel]) -> None:
    text = bundle(panel.module)
    names = DECLARATION.findall(text)
    assert len(set(names)) == len(names)
    assert {"h", "connect"} <= set(names)
    assert re.findall(r"^import|^export (?!default)", text, re.MULTILINE) == []
    assert text.count("export default {") == 1
    assert re.findall(r"^ *(?:/\*\*| \*)", text, re.MULTILINE) == []


def test_every_module_is_part_of_a_bundle() -> None:
    bundled = {
        name for panel in PANELS for name in re.findall(r"^// ([\w-]+\.js)$", bundle(panel.module), re.MULTILINE)
    }
    assert bundled == {path.name for path in HERE.glob("*.js")}


def test_panels_are_found_by_name(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    assert isinstance(aoi.panels.summary(), Summary)
    assert isinstance(aoi.panels.failures(), Failures)
    with pytest.raises(MonitorError, match=r"There is no panel 'weather'\. Available: dashboard, failures, "):
        aoi.panels.weather()


def test_a_map_has_no_tile_layer_without_a_basemap(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    assert (aoi.map().map.layers, aoi.map().with_land) == ((), True)
    layer = ipyleaflet.TileLayer(url="https://tiles.example.org/{z}/{x}/{y}.png")
    for basemap, url in (
        (layer, layer.url),
        (ipyleaflet.basemaps.OpenStreetMap.Mapnik, "https://tile.openstreetmap.org"),
    ):
        panel = aoi.map(basemap)
        assert panel.map.layers[0].url.startswith(url)
        assert not panel.with_land


def test_a_geocube_server_has_no_panels(m: Monitor) -> None:
    api = GeocubeApi(m._api.connection)
    with pytest.raises(NotSupported, match="Geocube"):
        AOI(api, m["DenmarkS1"].overview).panels.summary()


def test_a_saved_notebook_contains_the_state_and_its_time(m: Monitor) -> None:
    mime_bundle = m["DenmarkS1"].panels.summary()._repr_mimebundle_()
    assert mime_bundle is not None
    data, _ = mime_bundle
    assert re.search(r"As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", data["text/html"])
    assert "badly formatted storage uri" in data["text/html"]
    assert data["text/plain"].startswith("DenmarkS1")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_saved_map_and_graph_are_figures(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    fills = {}
    for name in ("map", "graph"):
        text = getattr(aoi.panels, name)()._static_html()
        figure = ET.fromstring(re.search(r"<figure.*</figure>", text)[0])  # type: ignore[index]  # noqa: S314 - own output
        fills[name] = [shape.get("fill") for shape in figure[0]]
        assert "As of" in text
    assert len(fills["map"]) == 4
    # Failures are drawn last, on top.
    assert fills["map"][-1] == STATUS_COLORS[Status.RETRY]
    assert len(fills["graph"]) == 20
    assert {STATUS_COLORS[Status.NEW], STATUS_COLORS[Status.PENDING]} == set(fills["graph"])


def test_a_cut_figure_keeps_the_failures() -> None:
    metadata = {"statuses": [*Status], "days": ["2022-01-04"] * 50, "tracks": 100, "kind": "tile"}
    status = np.full(5000, 2, dtype=np.uint8)
    status[77] = 3
    columns: dict[str, npt.NDArray[Any]] = {
        "id": np.arange(5000),
        "status": status,
        "track": np.tile(np.arange(100), 50),
        "first": np.arange(0, 5001, 100),
    }
    figure = render_lanes(metadata, columns)
    assert figure.count("<rect") == 2000
    assert "2,000 of 5,000 shown" in figure
    assert STATUS_COLORS[Status.RETRY] in figure


def test_figures_without_items() -> None:
    metadata = {"statuses": [*Status], "days": [], "tracks": 0, "kind": "scene"}
    empty = np.zeros(0, dtype=np.uint8)
    assert "No tiles" in render_lanes(metadata, {"first": np.zeros(1, dtype=np.uint8), "status": empty})
    assert "No footprints" in render_footprints(metadata, {"positions": empty, "status": empty})


def test_the_front_end_receives_no_token(m: Monitor) -> None:
    state = m["DenmarkS1"].panels.summary().get_state()
    assert state["aoi"] == "DenmarkS1"
    assert TOKEN not in json.dumps({name: str(value) for name, value in state.items()})


def test_requests_through_the_kernel(m: Monitor) -> None:
    panel = m["DenmarkS1"].panels.summary()
    status, body = panel._request("GET", "aoi/DenmarkS1?format=json")
    assert (status, json.loads(body)["aoi"]) == (200, "DenmarkS1")
    assert panel._request("GET", "aoi/Nowhere")[0] == 404
    assert json.loads(panel._request("PUT", "scene/1/retry")[1])["code"] == "status-does-not-allow"
    assert panel._request("PUT", "scene/3/retry")[0] == 200
    assert m.scene(3).history()["who"].tolist()[-1] == "Åse"

"""Panels as Python sees them: their modules, what a saved notebook keeps, and requests through the kernel."""

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
from workflow_monitor.widgets.dashboard import Dashboard
from workflow_monitor.widgets.map import Map
from workflow_monitor.widgets.modules import HERE, bundled
from workflow_monitor.widgets.panel import Failures, Graph, Panel, Summary, Timeline
from workflow_monitor.widgets.stills import footprints_still, lanes_still

PANELS: list[type[Panel]] = [Summary, Map, Graph, Failures, Timeline, Dashboard]
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|class|const) (\w+)", re.MULTILINE)


@pytest.fixture
def m(example_servers: Servers) -> Iterator[Monitor]:
    with Monitor(example_servers.untouched().base_url, token=TOKEN, actor="Åse") as monitor:
        yield monitor


@pytest.mark.parametrize("kind", PANELS)
def test_a_module_has_all_that_it_imports_once(kind: type[Panel]) -> None:
    text = bundled(kind.module)
    declared = DECLARED.findall(text)
    assert len(set(declared)) == len(declared)
    assert {"element", "connect"} <= set(declared)
    assert re.findall(r"^import|^export (?!default)", text, re.MULTILINE) == []
    assert text.count("export default {") == 1


def test_every_module_belongs_to_a_panel() -> None:
    used = {name for kind in PANELS for name in re.findall(r"^// (\w+\.js)$", bundled(kind.module), re.MULTILINE)}
    assert used == {path.name for path in HERE.glob("*.js")}


def test_a_panel_is_asked_for_by_name(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    assert isinstance(aoi.panels.summary(), Summary)
    assert isinstance(aoi.panels.failures(), Failures)
    with pytest.raises(MonitorError, match=r"There is no panel 'weather'\. Available: dashboard, failures, "):
        aoi.panels.weather()


def test_a_map_asks_no_other_host_unless_it_is_given_a_basemap(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    assert (aoi.map().map.layers, aoi.map().with_land) == ((), True)
    layer = ipyleaflet.TileLayer(url="https://tiles.example.org/{z}/{x}/{y}.png")
    for basemap, url in (
        (layer, layer.url),
        (ipyleaflet.basemaps.OpenStreetMap.Mapnik, "https://tile.openstreetmap.org"),
    ):
        shown = aoi.map(basemap)
        assert shown.map.layers[0].url.startswith(url)
        assert not shown.with_land


def test_a_geocube_server_has_no_panels(m: Monitor) -> None:
    api = GeocubeApi(m._api.connection)
    with pytest.raises(NotSupported, match="Geocube"):
        AOI(api, m["DenmarkS1"].overview).panels.summary()


def test_a_saved_notebook_keeps_the_last_state_with_its_date(m: Monitor) -> None:
    bundle = m["DenmarkS1"].panels.summary()._repr_mimebundle_()
    assert bundle is not None
    data, _ = bundle
    assert re.search(r"As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", data["text/html"])
    assert "badly formatted storage uri" in data["text/html"]
    assert data["text/plain"].startswith("DenmarkS1")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_saved_map_and_graph_are_pictures(m: Monitor) -> None:
    aoi = m["DenmarkS1"]
    shapes = {}
    for name in ("map", "graph"):
        text = getattr(aoi.panels, name)()._static_html()
        picture = ET.fromstring(re.search(r"<figure.*</figure>", text)[0])  # type: ignore[index]  # noqa: S314 - ours
        shapes[name] = [shape.get("fill") for shape in picture[0]]
        assert "As of" in text
    assert len(shapes["map"]) == 4
    # what needs a person comes last, and lies on top
    assert shapes["map"][-1] == STATUS_COLORS[Status.RETRY]
    assert len(shapes["graph"]) == 20
    assert {STATUS_COLORS[Status.NEW], STATUS_COLORS[Status.PENDING]} == set(shapes["graph"])


def test_a_still_of_too_many_keeps_what_needs_a_person() -> None:
    about = {"statuses": [*Status], "days": ["2022-01-04"] * 50, "tracks": 100, "kind": "tile"}
    status = np.full(5000, 2, dtype=np.uint8)
    status[77] = 3
    columns: dict[str, npt.NDArray[Any]] = {
        "id": np.arange(5000),
        "status": status,
        "track": np.tile(np.arange(100), 50),
        "first": np.arange(0, 5001, 100),
    }
    still = lanes_still(about, columns)
    assert still.count("<rect") == 2000
    assert "2,000 of 5,000 are shown" in still
    assert STATUS_COLORS[Status.RETRY] in still


def test_stills_of_nothing() -> None:
    about = {"statuses": [*Status], "days": [], "tracks": 0, "kind": "scene"}
    none = np.zeros(0, dtype=np.uint8)
    assert "No tiles" in lanes_still(about, {"first": np.zeros(1, dtype=np.uint8), "status": none})
    assert "No footprints" in footprints_still(about, {"positions": none, "status": none})


def test_tokens_are_not_among_what_the_front_end_gets(m: Monitor) -> None:
    state = m["DenmarkS1"].panels.summary().get_state()
    assert state["aoi"] == "DenmarkS1"
    assert TOKEN not in json.dumps({name: str(value) for name, value in state.items()})


def test_requests_through_the_kernel(m: Monitor) -> None:
    shown = m["DenmarkS1"].panels.summary()
    status, body = shown._answer("GET", "aoi/DenmarkS1?format=json")
    assert (status, json.loads(body)["aoi"]) == (200, "DenmarkS1")
    assert shown._answer("GET", "aoi/Nowhere")[0] == 404
    assert json.loads(shown._answer("PUT", "scene/1/retry")[1])["code"] == "status-does-not-allow"
    assert shown._answer("PUT", "scene/3/retry")[0] == 200
    assert m.scene(3).history()["who"].tolist()[-1] == "Åse"

"""Map of an AOI: footprints in columnar form, drawn by the front end on an ipyleaflet map."""

from __future__ import annotations

from typing import Any

import ipyleaflet
import traitlets
from ipywidgets import Layout, widget_serialization

from workflow_monitor.client import AOI
from workflow_monitor.client.api import Api
from workflow_monitor.widgets.panel import Panel
from workflow_monitor.widgets.static_render import render_footprints

HEIGHT = "420px"
#: Zoom level of the world, until the front end fits the map to the footprints.
INITIAL_ZOOM = 1


class Map(Panel):
    """Footprints by status, with a legend and dates that filter them, selection, and actions on items.

    Without a basemap the panel sends no requests to other hosts: the coastlines are part of the package. `basemap` is
    one of `ipyleaflet.basemaps` or a tile layer. `map` is the ipyleaflet map, which accepts more layers and controls.
    """

    module = "map.js"
    map = traitlets.Instance(ipyleaflet.Map).tag(sync=True, **widget_serialization)
    with_land = traitlets.Bool(default_value=True).tag(sync=True)

    def __init__(self, aoi: AOI | None, api: Api, basemap: Any = None) -> None:  # noqa: ANN401 - a dict or a layer of ipyleaflet
        super().__init__(
            aoi,
            api,
            map=ipyleaflet.Map(
                layers=() if basemap is None else (_as_layer(basemap),),
                zoom=INITIAL_ZOOM,
                center=(0, 0),
                scroll_wheel_zoom=True,
                layout=Layout(height=HEIGHT),
            ),
            with_land=basemap is None,
        )

    def _static_body(self) -> str:
        figure = render_footprints(*self._api.columns(self.aoi, "footprints")) if self.aoi else ""
        return super()._static_body() + figure

    def close(self) -> None:
        """Remove the panel and its ipyleaflet map."""
        super().close()
        if self.trait_has_value("map"):
            self.map.close()


def _as_layer(basemap: Any) -> ipyleaflet.Layer:  # noqa: ANN401 - as in ipyleaflet.Map
    return basemap if isinstance(basemap, ipyleaflet.Layer) else ipyleaflet.basemap_to_tiles(basemap)

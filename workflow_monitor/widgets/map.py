"""The map of an AOI: its footprints on an ipyleaflet map, drawn by the front end from columns of numbers."""

from __future__ import annotations

from typing import Any

import ipyleaflet
import traitlets
from ipywidgets import Layout, widget_serialization

from workflow_monitor.client import AOI
from workflow_monitor.client.api import Api
from workflow_monitor.widgets.panel import Panel
from workflow_monitor.widgets.stills import footprints_still

HEIGHT = "420px"
#: of a map before it knows what it shows: the world
ZOOM = 1


def _layer(basemap: Any) -> ipyleaflet.Layer:  # noqa: ANN401 - as Map takes it
    return basemap if isinstance(basemap, ipyleaflet.Layer) else ipyleaflet.basemap_to_tiles(basemap)


class Map(Panel):
    """Footprints by status, with a legend that filters, dates, selection, and repairs where the problem is.

    Without a basemap no other host is asked: the land is drawn from what comes with the package. `basemap` is one of
    `ipyleaflet.basemaps`, or a tile layer. `map` is the ipyleaflet map, to which layers and controls can be added.
    """

    module = "map.js"
    map = traitlets.Instance(ipyleaflet.Map).tag(sync=True, **widget_serialization)
    with_land = traitlets.Bool(default_value=True).tag(sync=True)

    def __init__(self, aoi: AOI | None, api: Api, basemap: Any = None) -> None:  # noqa: ANN401 - a dict or a layer of ipyleaflet
        super().__init__(
            aoi,
            api,
            map=ipyleaflet.Map(
                layers=() if basemap is None else (_layer(basemap),),
                zoom=ZOOM,
                center=(0, 0),
                scroll_wheel_zoom=True,
                layout=Layout(height=HEIGHT),
            ),
            with_land=basemap is None,
        )

    def _still(self) -> str:
        return super()._still() + (footprints_still(*self._api.columns(self.aoi, "footprints")) if self.aoi else "")

    def close(self) -> None:
        """Take the map away, too."""
        super().close()
        if self.trait_has_value("map"):
            self.map.close()

"""All panels in one: for one AOI, or with a list of AOIs to select from."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import ipywidgets
import traitlets

from workflow_monitor.client import AOI
from workflow_monitor.client.api import Api
from workflow_monitor.client.panels import GROUP
from workflow_monitor.widgets.panel import Panel

#: Order of the built-in panels; panels of other packages follow.
ORDER = ("summary", "map", "graph", "failures", "timeline")


class Dashboard(Panel):
    """The summary above the other panels in tabs, optionally with a list of all AOIs.

    `panels` maps the names of all registered panels to widgets. A panel that is not a widget is displayed once and not
    updated.
    """

    module = "dashboard.js"
    panels = traitlets.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    has_aoi_list = traitlets.Bool().tag(sync=True)

    def __init__(self, aoi: AOI | None, api: Api, *, has_aoi_list: bool = False) -> None:
        super().__init__(aoi, api, panels={}, has_aoi_list=has_aoi_list)
        points = {point.name: point for point in entry_points(group=GROUP) if point.name != "dashboard"}
        names = sorted(points, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
        self.panels = {name: _as_widget(points[name].load()(aoi, api)) for name in names}

    def close(self) -> None:
        """Remove the dashboard and its panels."""
        panels = self.panels if self.trait_has_value("panels") else {}
        super().close()
        for panel in panels.values():
            panel.close()


def _as_widget(panel: Any) -> ipywidgets.Widget:  # noqa: ANN401 - anything that IPython can display
    if isinstance(panel, ipywidgets.Widget):
        return panel
    output = ipywidgets.Output()
    output.append_display_data(panel)
    return output

"""All panels in one: of an AOI, or of any AOI that is chosen from the list of all."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import ipywidgets
import traitlets

from workflow_monitor.client import AOI
from workflow_monitor.client.api import Api
from workflow_monitor.client.panels import GROUP
from workflow_monitor.widgets.panel import Panel

#: the order of the panels; those of others come after ours
ORDER = ("summary", "map", "graph", "failures", "timeline")


class Dashboard(Panel):
    """The summary above, the other panels in tabs. With `chooses` a list of all AOIs, one of which is shown.

    `panels` are all that are registered, by name; those that are no widgets stay as they are when the dashboard is made.
    """

    module = "dashboard.js"
    panels = traitlets.Dict().tag(sync=True, **ipywidgets.widget_serialization)
    chooses = traitlets.Bool().tag(sync=True)

    def __init__(self, aoi: AOI | None, api: Api, *, chooses: bool = False) -> None:
        super().__init__(aoi, api, panels={}, chooses=chooses)
        known = {point.name: point for point in entry_points(group=GROUP) if point.name != "dashboard"}
        names = sorted(known, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
        self.panels = {name: _as_widget(known[name].load()(aoi, api)) for name in names}

    def close(self) -> None:
        """Close the panels, too."""
        panels = self.panels if self.trait_has_value("panels") else {}
        super().close()
        for one in panels.values():
            one.close()


def _as_widget(shown: Any) -> ipywidgets.Widget:  # noqa: ANN401 - anything that a notebook can show
    if isinstance(shown, ipywidgets.Widget):
        return shown
    output = ipywidgets.Output()
    output.append_display_data(shown)
    return output

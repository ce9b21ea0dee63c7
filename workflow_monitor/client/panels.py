"""Panels of an AOI by name: they are entry points of `workflow_monitor.panels`, ours as anybody's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import MonitorError

if TYPE_CHECKING:
    from workflow_monitor.client.api import Api

GROUP = "workflow_monitor.panels"
#: Makes a panel over an AOI that this interface knows; anything that a notebook can show.
Maker = Callable[..., Any]


def load_panel(name: str) -> Maker:
    """What makes the panel that is registered under a name. Raises MonitorError if there is none."""
    known = entry_points(group=GROUP)
    if name not in known.names:
        raise MonitorError(f"There is no panel {name!r}. There are: {', '.join(sorted(known.names)) or 'none'}.")
    make: Maker = known[name].load()
    return make


class PanelMixin:
    """The panels of an AOI; what has none of its own methods is had by `panel`."""

    _api: Api

    def panel(self, name: str, **options: Any) -> Any:  # noqa: ANN401 - anything that a notebook can show
        """The panel that is registered under a name. Raises MonitorError if there is none.

        >>> aoi.panel("summary")
        <Summary DenmarkS1>
        """
        return load_panel(name)(self, self._api, **options)

    def summary(self) -> Any:  # noqa: ANN401 - a widget
        """A panel with counts per status, rate and time left, live, and a button that retries all.

        >>> aoi.summary()
        <Summary DenmarkS1>
        """
        return self.panel("summary")

    def map(self, basemap: Any = None) -> Any:  # noqa: ANN401 - a widget
        """A panel with the footprints of scenes or tiles on a map, live, to be selected, retried and given up.

        It asks no other host, unless it is given a `basemap`: one of `ipyleaflet.basemaps`.

        >>> aoi.map()
        <Map DenmarkS1>
        """
        return self.panel("map", basemap=basemap)

    def graph(self) -> Any:  # noqa: ANN401 - a widget
        """A panel with the dependency graph, live: as lanes, a track for each place and a row for each date, or as dot.

        >>> aoi.graph()
        <Graph DenmarkS1>
        """
        return self.panel("graph")

    def failures_panel(self) -> Any:  # noqa: ANN401 - a widget
        """A panel with the groups of failures, live, with buttons that retry a group or give it up.

        >>> aoi.failures_panel()
        <Failures DenmarkS1>
        """
        return self.panel("failures")

    def timeline(self) -> Any:  # noqa: ANN401 - a widget
        """A panel with the numbers per status over time, how many are done, and what is running now with how long.

        >>> aoi.timeline()
        <Timeline DenmarkS1>
        """
        return self.panel("timeline")

    def dashboard(self) -> Any:  # noqa: ANN401 - a widget
        """All panels of this AOI in one.

        >>> aoi.dashboard()
        <Dashboard DenmarkS1>
        """
        return self.panel("dashboard")

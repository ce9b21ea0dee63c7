"""Panels of an AOI: the entry points of the group `workflow_monitor.panels`, built-in and from other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import PanelNotFound

if TYPE_CHECKING:
    from workflow_monitor.client.api import Api

GROUP = "workflow_monitor.panels"
#: Takes the AOI and the interface of its server; returns an object that a notebook can display.
PanelFactory = Callable[..., Any]


def load_panel(name: str) -> PanelFactory:
    """Return the factory of a panel. Raises PanelNotFound."""
    installed = entry_points(group=GROUP)
    if name not in installed.names:
        available = ", ".join(sorted(installed.names)) or "none"
        raise PanelNotFound(f"There is no panel {name!r}. Available: {available}.")
    factory: PanelFactory = installed[name].load()
    return factory


class Panels:
    """The panels of one AOI. Panels of other packages are methods too: `aoi.panels.weather()`."""

    def __init__(self, aoi: object, api: Api) -> None:
        self._aoi = aoi
        self._api = api

    def __getattr__(self, name: str) -> PanelFactory:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(load_panel(name), self._aoi, self._api)

    def __dir__(self) -> Iterable[str]:
        return sorted({*super().__dir__(), *entry_points(group=GROUP).names})

    def __repr__(self) -> str:
        return f"<Panels {', '.join(sorted(entry_points(group=GROUP).names))}>"

    def summary(self) -> Any:  # noqa: ANN401 - a widget
        """Return a live panel with counts per status, rate, remaining time and a button to retry all failures.

        >>> aoi.panels.summary()
        <Summary DenmarkS1>
        """
        return load_panel("summary")(self._aoi, self._api)

    def map(self, basemap: Any = None) -> Any:  # noqa: ANN401 - a widget
        """Return a live map of the footprints of scenes or tiles, to select, retry and fail them.

        The map is EPSG:3857 with an embedded land mass. It connects to other hosts only for a `basemap`, one of
        `ipyleaflet.basemaps`.

        >>> aoi.panels.map()
        <Map DenmarkS1>
        """
        return load_panel("map")(self._aoi, self._api, basemap=basemap)

    def graph(self) -> Any:  # noqa: ANN401 - a widget
        """Return a live dependency graph: lanes (a track per place, a row per date), or a Graphviz drawing.

        >>> aoi.panels.graph()
        <Graph DenmarkS1>
        """
        return load_panel("graph")(self._aoi, self._api)

    def failures(self) -> Any:  # noqa: ANN401 - a widget
        """Return a live panel with the groups of failures and buttons to retry or fail a group.

        >>> aoi.panels.failures()
        <Failures DenmarkS1>
        """
        return load_panel("failures")(self._aoi, self._api)

    def timeline(self) -> Any:  # noqa: ANN401 - a widget
        """Return a live panel with counts per status over time, throughput, and the running items with durations.

        >>> aoi.panels.timeline()
        <Timeline DenmarkS1>
        """
        return load_panel("timeline")(self._aoi, self._api)

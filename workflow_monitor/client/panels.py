"""Panels of an AOI by name: they are entry points of `workflow_monitor.panels`, ours as anybody's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from workflow_monitor.client.errors import MonitorError

if TYPE_CHECKING:
    from workflow_monitor.client.aoi import AOI
    from workflow_monitor.client.api import Api

GROUP = "workflow_monitor.panels"
#: Makes a panel over an AOI that this interface knows; anything that a notebook can show.
Maker = Callable[..., Any]


def panel(name: str, aoi: AOI, api: Api) -> Any:  # noqa: ANN401 - anything that a notebook can show
    """The panel of this name over an AOI. Raises MonitorError if nothing is registered under it."""
    known = entry_points(group=GROUP)
    if name not in known.names:
        raise MonitorError(f"There is no panel {name!r}. There are: {', '.join(sorted(known.names)) or 'none'}.")
    make: Maker = known[name].load()
    return make(aoi, api)

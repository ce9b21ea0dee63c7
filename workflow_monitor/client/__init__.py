"""Client of a workflow server: AOIs, scenes and tiles as frames, actions on them, and panels.

Names are imported on first access, so that importing this package is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_monitor.client.added_scenes import AddedScenes
    from workflow_monitor.client.aoi import AOI
    from workflow_monitor.client.api import Retried
    from workflow_monitor.client.client import Monitor
    from workflow_monitor.client.display import STATUS_COLORS
    from workflow_monitor.client.frames import expand
    from workflow_monitor.client.items import Scene, Tile
    from workflow_monitor.client.watch import Summary
    from workflow_monitor.domain.models import AOISummary

__all__ = [
    "AOI",
    "STATUS_COLORS",
    "AOISummary",
    "AddedScenes",
    "Monitor",
    "Retried",
    "Scene",
    "Summary",
    "Tile",
    "expand",
]

_MODULES = {
    "AOI": "client.aoi",
    "AOISummary": "domain.models",
    "AddedScenes": "client.added_scenes",
    "Monitor": "client.client",
    "Retried": "client.api",
    "STATUS_COLORS": "client.display",
    "Scene": "client.items",
    "Summary": "client.watch",
    "Tile": "client.items",
    "expand": "client.frames",
}


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415 - see the docstring of this module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"workflow_monitor.{_MODULES[name]}"), name)

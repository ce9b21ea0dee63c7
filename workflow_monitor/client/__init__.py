"""Workflow servers from a notebook or a script: AOIs, scenes and tiles as frames, and repairs.

Names are imported when they are asked for, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_monitor.client.aoi import AOI
    from workflow_monitor.client.api import AOISummary, Retried
    from workflow_monitor.client.client import Monitor
    from workflow_monitor.client.display import STATUS_COLORS
    from workflow_monitor.client.frames import expand
    from workflow_monitor.client.items import Scene, Tile
    from workflow_monitor.client.watch import Summary

__all__ = ["AOI", "STATUS_COLORS", "AOISummary", "Monitor", "Retried", "Scene", "Summary", "Tile", "expand"]

_HOMES = {
    "AOI": "aoi",
    "STATUS_COLORS": "looks",
    "Monitor": "client",
    "Retried": "api",
    "Scene": "items",
    "Summary": "watch",
    "Tile": "items",
    "AOISummary": "api",
    "expand": "frames",
}


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415 - see the docstring of this module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

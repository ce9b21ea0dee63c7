"""Workflow server for Earth-observation ingestions, inside Jupyter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workflow_monitor.client import Monitor

__all__ = ["Monitor", "__version__"]

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Return the server extension for Jupyter. The local import keeps `import workflow_monitor` cheap."""
    from workflow_monitor.server.extension import WorkflowMonitor  # noqa: PLC0415

    return [{"module": "workflow_monitor", "app": WorkflowMonitor}]


def __getattr__(name: str) -> object:
    """Import `Monitor` on first access, which keeps `import workflow_monitor` cheap."""
    if name == "Monitor":
        from workflow_monitor.client import Monitor  # noqa: PLC0415

        return Monitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

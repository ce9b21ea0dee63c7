"""A workflow server for Earth-observation ingestions, inside Jupyter."""

from __future__ import annotations

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Where Jupyter finds the extension; imported here so that `import workflow_monitor` stays cheap."""
    from workflow_monitor.server.extension import WorkflowMonitor  # noqa: PLC0415

    return [{"module": "workflow_monitor", "app": WorkflowMonitor}]

"""The base class of errors between a process and a workflow server."""

from __future__ import annotations

from workflow_monitor.domain.errors import escape_control_characters


class MonitorError(Exception):
    """Base of all client errors. Control characters in the message are escaped."""

    def __init__(self, text: str = "") -> None:
        super().__init__("\n".join(map(escape_control_characters, text.split("\n"))))

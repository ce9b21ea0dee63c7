"""Hints in messages: the next call in Python, or the next command in a shell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Literal

Style = Literal["python", "shell"]

_COMMAND = "workflow-monitor"
_HINTS: Mapping[str, Mapping[Style, str]] = {
    "aois": {"python": "m.aois()", "shell": f"{_COMMAND} aois"},
    "matching aois": {"python": "m.aois({pattern})", "shell": f"{_COMMAND} aois {{pattern}}"},
    "create": {"python": 'm.create("Name")', "shell": f"{_COMMAND} create NAME"},
    "aoi exists": {"python": "{aoi} in m", "shell": f"{_COMMAND} aois"},
    "aoi": {"python": "m[{aoi}]", "shell": f"{_COMMAND} status {{aoi}}"},
    "scenes": {"python": "m[{aoi}].scenes()", "shell": f"{_COMMAND} status {{aoi}}"},
    "failures": {"python": "aoi.failures()", "shell": f"{_COMMAND} failures {{aoi}}"},
    "retry": {"python": "aoi.retry()", "shell": f"{_COMMAND} retry {{aoi}}"},
    "item": {"python": "m.{kind}({id})", "shell": f"{_COMMAND} show --{{kind}} {{id}}"},
    "kind": {"python": 'kind="scene" or kind="tile"', "shell": "--scene or --tile"},
    "force": {"python": "force=True", "shell": "--force"},
    "server": {"python": 'Monitor("https://host/…/", token="…")', "shell": "--url https://host/…/"},
    "chosen server": {"python": "Monitor({url})", "shell": "--url {url}"},
    "token": {"python": "`token=…`", "shell": "the variable WORKFLOW_MONITOR_TOKEN"},
    "access": {
        "python": "Monitor(url, token=…), or the variable WORKFLOW_MONITOR_TOKEN",
        "shell": "the variable WORKFLOW_MONITOR_TOKEN",
    },
    "pages": {"python": "read pages: page=0, limit=10_000", "shell": "pass a smaller --limit"},
}

_style: Style = "python"


def use_shell_hints() -> None:
    """Let the messages of this process name commands instead of Python calls."""
    global _style  # noqa: PLW0603 - a process is either a command or a Python session
    _style = "shell"


def hint(name: str, **values: object) -> str:
    """Return a hint with values quoted for Python or the shell.

    >>> hint("aoi", aoi="Fyn 2022")
    "m['Fyn 2022']"
    """
    quoted = {key: _quote(value) for key, value in values.items()}
    return _HINTS[name][_style].format(**quoted)


def _quote(value: object) -> str:
    if _style == "shell":
        return shlex.quote(str(value))
    return repr(value) if type(value) is str else str(value)

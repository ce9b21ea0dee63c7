"""How much tests do: a little each time, and as much as `make torture` asks for."""

from __future__ import annotations

import os

#: 1 is what `make torture` does, 0.1 a tenth of it; empty or 0 what every run of the tests does
FACTOR = float(os.environ.get("WORKFLOW_MONITOR_TORTURE") or 0)


def effort(short: int, long: int) -> int:
    """How often a test does something: `short` in every run, `long` in that of `make torture`."""
    return max(short, round(long * FACTOR)) if FACTOR else short

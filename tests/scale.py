"""Amount of work of the random tests: small in every run, large under `make torture`."""

from __future__ import annotations

import os

#: 1 under `make torture`, 0.1 for a tenth of it; empty or 0 in every other run
FACTOR = float(os.environ.get("WORKFLOW_MONITOR_TORTURE") or 0)


def effort(short: int, long: int) -> int:
    """Return the number of repetitions: `short` in every run, `long` under `make torture`."""
    return max(short, round(long * FACTOR)) if FACTOR else short

"""Reproducible random numbers."""

from __future__ import annotations

import random


def chance(*names: object) -> random.Random:
    """Return a random generator seeded by names, independent of the order of events.

    >>> chance(1, "scene", 7).random() == chance(1, "scene", 7).random()
    True
    """
    return random.Random("/".join(map(str, names)))  # noqa: S311 - a simulation, no security

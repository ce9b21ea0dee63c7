"""Figures, and their goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter


@dataclass(frozen=True)
class Goal:
    """Goal of a figure, or of its ratio to the limit: an upper or a lower bound."""

    below: float | None = None
    above: float | None = None
    #: of the ratio
    of_limit: bool = False

    def is_reached(self, value: float) -> bool:
        return (self.below is None or value < self.below) and (self.above is None or value >= self.above)

    def told(self, unit: str) -> str:
        value = self.below if self.below is not None else self.above
        sign = "<" if self.below is not None else "≥"
        return f"{sign} {value:.0%} of the limit" if self.of_limit else f"{sign} {value:,g} {unit}"


@dataclass
class Figure:
    """Measurements of one operation; `limits` are measurements of the limit, alternating with them."""

    name: str
    unit: str
    values: list[float]
    goal: Goal | None = None
    limit: str = ""
    limits: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest, or the 5th and 95th of a hundred if there are many."""
        if len(self.values) < 40:
            return min(self.values), max(self.values)
        cuts = statistics.quantiles(self.values, n=20)
        return cuts[0], cuts[-1]

    @property
    def ratio(self) -> float | None:
        """Ratio to the limit: of durations, or of rates."""
        if len(self.values) == len(self.limits):
            return statistics.median(value / limit for value, limit in zip(self.values, self.limits, strict=True))
        return self.median / statistics.median(self.limits) if self.limits else None

    @property
    def is_reached(self) -> bool | None:
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of_limit else self.median
        return value is not None and self.goal.is_reached(value)

    def cost(self) -> float:
        """Duration of one operation, for the plots."""
        median = self.median
        return {"ms": median / 1e3, "s": median}.get(self.unit, 1 / median if median and "/s" in self.unit else median)


def timed(function: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    started = perf_counter()
    function()
    return perf_counter() - started


def milliseconds(function: Callable[[], object], times: int) -> list[float]:
    """Return the milliseconds of each call."""
    return [timed(function) * 1e3 for _ in range(times)]


def percentile(values: Sequence[float], part: int) -> float:
    """Return the percentile of values."""
    return statistics.quantiles(values, n=100)[part - 1] if len(values) > 1 else values[0]

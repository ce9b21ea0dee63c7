"""The report: tables in Markdown, and a plot of time against size."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.speed.plots import Figure

Run = Mapping[int, list[Figure]]
PACKAGES = ("duckdb", "jupyter-server", "tornado", "pyarrow")
COLUMNS = 5
#: least ratio of the top of a plot to its bottom, so that noise does not look like growth
SPAN = 1_000


def report(run: Run, command: str, picture: str | None) -> str:
    """All of it, the sizes in the order in which they were measured."""
    parts = [f"# Speed\n\n{machine()}\n\n`{command}`"]
    parts += [f"## {size:,} tiles\n\n" + "\n".join(table(figures)) for size, figures in run.items()]
    if len(run) > 1:
        parts.append("## Medians against size\n\n" + "\n".join(growth(run)))
    if picture:
        parts.append(f"![Time against size]({picture})")
    return "\n\n".join(parts) + "\n"


def machine() -> str:
    """Return a description of the machine."""
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, {packages}. The spread is from the least to the greatest, of many "
        "measurements from the 5th to the 95th of a hundred; the limit was measured in the same run, in turn."
    )


def processor() -> str:
    """The name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(figures: list[Figure]) -> Iterator[str]:
    """A row for each figure."""
    yield "| what | median | spread | goal | reached | limit | ratio |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for figure in figures:
        low, high = figure.spread
        reached = {None: "", True: "yes", False: "**no**"}[figure.is_reached]
        limit = f"{figure.limit}: {number(sum(figure.limits) / len(figure.limits))}" if figure.limits else ""
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        goal = figure.goal.told(figure.unit) if figure.goal else ""
        cells = [figure.name, f"{number(figure.median)} {figure.unit}", f"{number(low)} to {number(high)}"]
        yield f"| {' | '.join([*cells, goal, reached, limit, ratio])} |"


def growth(run: Run) -> Iterator[str]:
    """A row for each figure, a column for each size."""
    yield "| what | unit | " + " | ".join(f"{size:,}" for size in run) + " |"
    yield "| --- " * (len(run) + 2) + "|"
    for name, unit in dict.fromkeys((figure.name, figure.unit) for figures in run.values() for figure in figures):
        found = [next((number(one.median) for one in figures if one.name == name), "") for figures in run.values()]
        yield f"| {name} | {unit} | {' | '.join(found)} |"


def number(value: float) -> str:
    """Three digits that matter.

    >>> number(1234.5), number(0.01234), number(12.34)
    ('1,234', '0.0123', '12.3')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def plot(run: Run, path: Path) -> None:
    """Draw the time of each against the size, both logarithmic, one small picture each."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    lines = dict(_lines(run))
    rows = -(-len(lines) // COLUMNS)
    drawing, axes = plt.subplots(rows, COLUMNS, figsize=(2.4 * COLUMNS, 1.7 * rows), sharex=True, squeeze=False)
    for axis, (name, costs) in zip(axes.flat, lines.items(), strict=False):
        least, greatest = min(costs.values()), max(costs.values())
        reach = max(SPAN, 4 * greatest / least) ** 0.5
        middle = (least * greatest) ** 0.5
        axis.loglog(list(costs), list(costs.values()), marker="o", markersize=3)
        axis.set_ylim(middle / reach, middle * reach)
        axis.minorticks_off()
        axis.set_title("\n".join(_wrapped(name)), fontsize=7)
        axis.tick_params(labelsize=6)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(lines) :]:
        axis.set_visible(False)
    drawing.supxlabel("tiles", fontsize=8)
    drawing.supylabel("seconds for one (memory: MB)", fontsize=8)
    drawing.tight_layout()
    drawing.savefig(path, dpi=90)


def _lines(run: Run) -> Iterator[tuple[str, dict[int, float]]]:
    """Return the cost of each figure at each size, without figures that can be zero or negative."""
    for name in dict.fromkeys(figure.name for figures in run.values() for figure in figures):
        costs = {size: one.cost() for size, figures in run.items() for one in figures if one.name == name}
        if min(costs.values()) > 0 and "meanwhile" not in name:
            yield name, costs


def _wrapped(name: str) -> list[str]:
    from textwrap import wrap

    return wrap(name, 36)

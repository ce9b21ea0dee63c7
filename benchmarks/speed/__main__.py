"""Measure everything at each size and write the report."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter

from benchmarks.speed import reading, serving, streaming, writing
from benchmarks.speed.plots import Figure
from benchmarks.speed.report import plot, report
from benchmarks.speed.target import Site, site

Case = Callable[[Site], Figure | Iterable[Figure]]
#: in this order: later cases read the items that earlier cases add
CASES: tuple[Case, ...] = (
    writing.ingest,
    writing.ingest_one_by_one,
    writing.report_scenes,
    writing.report_tiles,
    writing.report_one_by_one,
    writing.work_on,
    writing.retry_all,
    writing.fail_in_the_middle,
    reading.overviews,
    reading.list_of_aois,
    reading.pages,
    reading.single_items,
    reading.all_scenes,
    reading.all_tiles,
    reading.graphs,
    reading.panels,
    streaming.followers,
)


def measure(tiles: int, calls: int, folder: Path, only: str, store: str) -> list[Figure]:
    """Return all figures for an AOI of `tiles` tiles; the store stays in the folder, or at the URL."""
    figures: list[Figure] = []
    is_new = not (only if store else (folder / "workflow.duckdb").exists())
    with site(folder, tiles, calls, store) as found:
        if is_new:
            writing.small_aois(found)
        for case in CASES:
            if only and only not in case.__name__:
                continue
            begun = perf_counter()
            made = case(found)
            figures += [made] if isinstance(made, Figure) else list(made)
            print(f"{tiles:,} tiles: {case.__name__}: {perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
    return figures if only else figures + serving.standing(folder, store)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[10_000, 100_000], help="tiles of the AOI")
    parser.add_argument("--calls", type=int, default=3_000, help="requests of what is quick")
    parser.add_argument(
        "--out", type=Path, help="folder for report.md and report.png; without it the report is printed"
    )
    parser.add_argument("--keep", type=Path, help="folder to keep the stores in, and to find those of before")
    parser.add_argument("--only", default="", help="a part of the name of a case, over a store that was kept")
    parser.add_argument("--store", default="", help="the URL of an empty PostgreSQL database, for one size")
    options = parser.parse_args()
    if options.store and len(options.size) > 1:
        parser.error("--store takes one --size: the database is not emptied in between")
    run = {}
    with tempfile.TemporaryDirectory() as temporary:
        for tiles in options.size:
            folder = (options.keep or Path(temporary)) / str(tiles)
            run[tiles] = measure(tiles, options.calls, folder, options.only, options.store)
    command = "python -m benchmarks.speed " + " ".join(sys.argv[1:])
    if options.out is None:
        print(report(run, command, None))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if len(run) > 1:
        plot(run, options.out / "report.png")
    text = report(run, command, "report.png" if len(run) > 1 else None)
    (options.out / "report.md").write_text(text)


if __name__ == "__main__":
    main()

"""Commands that show an ingestion, retry and fail its items, and export it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow_monitor.cli.tables import show_json, show_lines, show_table
from workflow_monitor.client.client import Monitor
from workflow_monitor.client.errors import MonitorError
from workflow_monitor.client.watch import Summary
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.models import AOISummary
from workflow_monitor.domain.status import ItemKind, Status

Name = Annotated[str, typer.Argument(metavar="AOI", help="The name of an AOI.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
URL = Annotated[
    str | None,
    typer.Option(
        help="The URL of the server; found automatically by default. The token comes from WORKFLOW_MONITOR_TOKEN, "
        "because other users can read the options of a process.",
        show_default=False,
    ),
]
Actor = Annotated[str | None, typer.Option(help="The actor in the history.", show_default="your user name")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]
Scenes = Annotated[list[int] | None, typer.Option("--scene", help="The id of a scene. Repeatable.")]
Tiles = Annotated[list[int] | None, typer.Option("--tile", help="The id of a tile. Repeatable.")]


@contextmanager
def connect(url: str | None, actor: str | None = None) -> Iterator[Monitor]:
    """Open a Monitor; print its errors to stderr and exit with 1."""
    try:
        with Monitor(url, actor=actor) as monitor:
            yield monitor
    except MonitorError as error:
        typer.echo("\n".join(map(escape_control_characters, str(error).splitlines())), err=True)
        raise typer.Exit(1) from None


def aois(
    pattern: Annotated[str | None, typer.Argument(help="A pattern of names, such as 'Denmark*'.")] = None,
    as_json: AsJSON = False,
    url: URL = None,
) -> None:
    """List the AOIs: status, progress, counts of scenes and tiles, items in RETRY and FAILED."""
    with connect(url) as m:
        found = m.summaries(pattern)
    if as_json:
        show_json([_document(one) for one in found])
        return
    heads = ["AOI", "status", "progress", "scenes", "tiles", "retry", "failed", "from", "to"]
    rows = [
        [
            *(
                one.name,
                one.status,
                "empty" if one.progress is None else one.progress,
                one.scenes.total(),
                one.tiles.total(),
            ),
            *(one.count(Status.RETRY), one.count(Status.FAILED), one.first, one.last),
        ]
        for one in found
    ]
    show_table(heads, rows, wide="AOI")


def status(aoi: Name, as_json: AsJSON = False, url: URL = None) -> None:
    """Show an AOI: counts per status, a bar, and the most frequent failures."""
    with connect(url) as m:
        found = m[aoi]
        if as_json:
            show_json(_document(found.overview))
        else:
            show_lines(str(found))


def failures(aoi: Name, as_json: AsJSON = False, url: URL = None) -> None:
    """List the failures of an AOI, grouped by message."""
    with connect(url) as m:
        found = m[aoi].failures()
    groups: list[Any] = found.astype(object).where(found.notna(), None).to_dict(orient="records")
    if as_json:
        for group in groups:
            group["ids"] = found.attrs["ids"][group["kind"]][group["message_template"]]
        show_json(groups)
        return
    rows = [[group[name] for name in ("count", "kind", "retry", "failed", "since", "example")] for group in groups]
    show_table(["count", "of", "retry", "failed", "since (UTC)", "example"], rows, wide="example")


def retry(
    aoi: Annotated[str | None, typer.Argument(metavar="[AOI]", help="Retry all items of this AOI in RETRY.")] = None,
    scene: Scenes = None,
    tile: Tiles = None,
    force: Annotated[
        bool, typer.Option("--force", help="Retry PENDING items too; single items from any status.")
    ] = False,
    as_json: AsJSON = False,
    url: URL = None,
    actor: Actor = None,
) -> None:
    """Retry the items of an AOI in RETRY, or single scenes and tiles."""
    if (aoi is None) == (not scene and not tile):
        raise typer.BadParameter("Name an AOI, or scenes and tiles by --scene and --tile.")
    with connect(url, actor) as m:
        if aoi is None:
            _print_outcomes(m.retry(_Items(scene, tile).listed(), force=force), "retried", as_json)
            return
        done = m[aoi].retry(force=force)
    if as_json:
        show_json(done._asdict())
    else:
        typer.echo(f"{done.scenes:,} scenes and {done.tiles:,} tiles were retried.")


def fail(
    scene: Scenes = None,
    tile: Tiles = None,
    force: Annotated[bool, typer.Option("--force", help="Fail from any status, not only from RETRY.")] = False,
    yes: Yes = False,
    as_json: AsJSON = False,
    url: URL = None,
    actor: Actor = None,
) -> None:
    """Fail scenes and tiles and relink their successors, after a confirmation."""
    chosen = _Items(scene, tile)
    if not chosen.listed():
        raise typer.BadParameter("Name scenes and tiles by --scene and --tile.")
    if not yes:
        typer.confirm(f"Fail {chosen}? This cannot be undone.", abort=True, err=True)
    with connect(url, actor) as m:
        _print_outcomes(m.fail(chosen.listed(), force=force), "failed", as_json)


def watch(
    aoi: Name,
    timeout: Annotated[float | None, typer.Option(min=0, help="Time limit in seconds.")] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Poll interval in seconds.")] = 2.0,
    as_json: AsJSON = False,
    url: URL = None,
) -> None:
    """Show a progress bar until no item is PENDING. Exits with 1 after the timeout, with 130 after an interrupt."""
    with connect(url) as m:
        summary = m[aoi].watch(interval=interval, timeout=timeout, progress=sys.stderr.isatty() and not as_json)
    if as_json:
        show_json(_summary(summary))
    else:
        show_lines(str(summary))
    raise typer.Exit({"idle": 0, "timeout": 1, "interrupted": 130}[summary.ended])


def export(
    aoi: Name,
    folder: Annotated[Path, typer.Argument(help="The folder for the files.", file_okay=False)],
    as_json: AsJSON = False,
    url: URL = None,
) -> None:
    """Write scenes and tiles as GeoParquet, and the history as Parquet."""
    with connect(url) as m:
        files = m[aoi].to_parquet(folder)
    if as_json:
        show_json([str(file) for file in files])
    else:
        typer.echo("\n".join(escape_control_characters(str(file)) for file in files))


@dataclasses.dataclass(frozen=True)
class _Items:
    """Scenes and tiles from the options --scene and --tile."""

    scenes: list[int] | None
    tiles: list[int] | None

    def listed(self) -> list[_Item]:
        return [_Item(kind, one) for kind, ids in self._by_kind() for one in dict.fromkeys(ids)]

    def _by_kind(self) -> list[tuple[ItemKind, list[int]]]:
        return [(ItemKind.SCENE, self.scenes or []), (ItemKind.TILE, self.tiles or [])]

    def __str__(self) -> str:
        told = ((kind, len(set(ids)), ", ".join(map(str, dict.fromkeys(ids)))) for kind, ids in self._by_kind() if ids)
        return " and ".join(f"{number} {kind}{'s' if number > 1 else ''} ({which})" for kind, number, which in told)


@dataclasses.dataclass(frozen=True)
class _Item:
    kind: ItemKind
    id: int


def _print_outcomes(outcomes: Any, done: str, as_json: bool) -> None:  # noqa: ANN401 - a frame, which need not be imported
    """Print the outcomes of a bulk action; exit with 1 unless every item succeeded."""
    rows = outcomes.astype(object).to_dict(orient="records")
    succeeded = sum(row["outcome"] == "done" for row in rows)
    if as_json:
        show_json(rows)
    else:
        typer.echo(f"{succeeded:,} of {len(rows):,} {done}.")
        for row in rows:
            if row["outcome"] != "done":
                typer.echo(f"{row['kind']} {row['id']}: {escape_control_characters(row['reason'])}", err=True)
    if succeeded < len(rows):
        raise typer.Exit(1)


def _document(one: AOISummary) -> dict[str, Any]:
    return {
        "name": one.name,
        "status": str(one.status),
        "progress": None if one.progress is None else round(one.progress, 4),
        "scenes": {str(status): one.scenes[status] for status in Status},
        "tiles": {str(status): one.tiles[status] for status in Status},
        "root_tiles": one.root_tiles,
        "from": one.first,
        "to": one.last,
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "ended": summary.ended,
        "seconds": round(summary.seconds, 1),
        "before": _document(summary.before),
        "after": _document(summary.after),
    }

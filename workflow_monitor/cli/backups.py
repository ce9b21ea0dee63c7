"""`workflow-monitor backup` and `workflow-monitor restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow_monitor.cli.ingestion import URL, AsJSON, connect
from workflow_monitor.cli.tables import show_json
from workflow_monitor.documents.rfc3339 import format_time
from workflow_monitor.domain.errors import StoreUnavailable, escape_control_characters


def backup(as_json: AsJSON = False, url: URL = None) -> None:
    """Have the server make a backup of its store, while it goes on, and say where it is.

    It stands in a folder beside the store, on the server's machine; the oldest are forgotten, beyond the trait
    keep_backups.
    """
    with connect(url) as m:
        made = m.backup()
    if as_json:
        show_json({"file": made.file, "made": format_time(made.made), "bytes": made.bytes})
    else:
        typer.echo(f"{escape_control_characters(made.file)} ({made.bytes / 1e6:,.1f} MB)")


def restore(
    store: Annotated[Path, typer.Argument(help="The file of the store, on this machine.", dir_okay=False)],
    backup: Annotated[
        Path | None, typer.Option(help="The backup; without it, the last one.", dir_okay=False, show_default=False)
    ] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Go on with what the file itself holds, though something is lost.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Put a backup in the place of a store that no server has open. What is there is kept aside.

    The backup is checked before anything is changed. What happened after it is lost: scenes and tiles are then as
    they were, and jobs are handed out again.
    """
    from workflow_monitor.store.duckdb.restore import restore as put_back  # noqa: PLC0415 - only here is DuckDB needed

    if as_is and backup is not None:
        raise typer.BadParameter("--as-is and --backup exclude each other.")
    try:
        found = put_back(store, backup, as_is=as_is)
    except StoreUnavailable as error:
        typer.echo(escape_control_characters(error.detail), err=True)
        raise typer.Exit(1) from None
    until = None if found.until is None else format_time(found.until)
    if as_json:
        counts = {"aois": found.aois, "scenes": found.scenes, "tiles": found.tiles}
        show_json({"from": str(found.backup), **counts, "until": until, "aside": found.aside and str(found.aside)})
        return
    typer.echo(
        f"{escape_control_characters(str(store))} is as it was at {until or 'its beginning'}: {found.aois:,} AOIs, "
        f"{found.scenes:,} scenes, {found.tiles:,} tiles, from {escape_control_characters(str(found.backup))}."
    )
    if found.aside is not None:
        typer.echo(f"What was there before is in {escape_control_characters(str(found.aside))}.")

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
    """Back up the store while the server keeps running, and print the path.

    The backup is in a folder beside the store, on the server's machine. The server keeps the newest backups, up to
    the trait keep_backups.
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
        Path | None, typer.Option(help="The backup; the newest by default.", dir_okay=False, show_default=False)
    ] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Accept the store file as it is, with its losses.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Replace a store that no server has open by a backup, and keep the old files aside.

    The backup is checked first. Changes after the backup are lost: scenes and tiles return to their earlier state,
    and their jobs are dispatched again.
    """
    from workflow_monitor.store.duckdb.restore import restore as restore_store  # noqa: PLC0415 - loads DuckDB

    if as_is and backup is not None:
        raise typer.BadParameter("--as-is and --backup exclude each other.")
    try:
        report = restore_store(store, backup, as_is=as_is)
    except StoreUnavailable as error:
        typer.echo(escape_control_characters(error.detail), err=True)
        raise typer.Exit(1) from None
    until = None if report.until is None else format_time(report.until)
    if as_json:
        counts = {"aois": report.aois, "scenes": report.scenes, "tiles": report.tiles}
        show_json({"from": str(report.backup), **counts, "until": until, "aside": report.aside and str(report.aside)})
        return
    typer.echo(
        f"{escape_control_characters(str(store))} is as it was at {until or 'its beginning'}: {report.aois:,} AOIs, "
        f"{report.scenes:,} scenes, {report.tiles:,} tiles, from {escape_control_characters(str(report.backup))}."
    )
    if report.aside is not None:
        typer.echo(f"The previous files are in {escape_control_characters(str(report.aside))}.")

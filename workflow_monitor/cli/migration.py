"""`workflow-monitor undo-migration`."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow_monitor.domain.errors import StoreUnavailable, escape_control_characters


def undo_migration(
    store: Annotated[str, typer.Argument(help="The database: postgresql://user@host/database.")],
    is_confirmed: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
) -> None:
    """Remove this project's tables and columns from the database of a Geocube ingester.

    Stop the servers first. History, attempts, leased jobs, footprints and tags are lost.
    """
    try:
        from workflow_monitor.store.postgres.schema import undo  # noqa: PLC0415 - loads psycopg
    except ModuleNotFoundError as error:
        typer.echo(f"This needs {error.name}: pip install 'workflow-monitor[postgres]'", err=True)
        raise typer.Exit(1) from None
    if not is_confirmed:
        typer.confirm("The history, attempts, leased jobs, footprints and tags will be lost. Continue?", abort=True)
    try:
        was_there = undo(store)
    except StoreUnavailable as error:
        typer.echo(escape_control_characters(error.detail), err=True)
        raise typer.Exit(1) from None
    typer.echo(
        "The tables and columns were removed. The tables aoi, scene and tile are unchanged."
        if was_there
        else "The database has no tables or columns of this project."
    )

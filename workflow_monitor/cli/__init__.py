"""The command `workflow-monitor`: an ingestion from a terminal, and the demo."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow_monitor import __version__
from workflow_monitor.cli.backups import backup, restore
from workflow_monitor.cli.dashboard import dashboard
from workflow_monitor.cli.demo import demo
from workflow_monitor.cli.ingestion import aois, export, fail, failures, retry, status, watch
from workflow_monitor.cli.migration import undo_migration
from workflow_monitor.cli.serve import serve

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _workflow_monitor(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A workflow server for Earth-observation ingestions, inside Jupyter.

    The commands find the Jupyter server that runs here, or take WORKFLOW_MONITOR_URL and WORKFLOW_MONITOR_TOKEN.
    """


for _command in (aois, status, failures, retry, fail, watch, export, backup, restore, undo_migration, dashboard, demo):
    app.command()(_command)
# What it does not know is for Jupyter.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve)


def main() -> None:
    """Run the command."""
    app()

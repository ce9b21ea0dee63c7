"""The command `workflow-monitor`."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow_monitor import __version__
from workflow_monitor.cli.backups import backup, restore
from workflow_monitor.cli.dashboard import dashboard
from workflow_monitor.cli.demo import demo
from workflow_monitor.cli.editing import add, create, data, delete, history, show
from workflow_monitor.cli.ingestion import aois, export, fail, failures, retry, status, watch
from workflow_monitor.cli.migration import undo_migration
from workflow_monitor.cli.serve import serve
from workflow_monitor.cli.waiting import blockers, why
from workflow_monitor.client.hints import use_shell_hints

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(is_set: bool) -> None:
    if is_set:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _workflow_monitor(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Workflow server for Earth-observation ingestions, inside Jupyter.

    The commands use the running Jupyter server, or the one in WORKFLOW_MONITOR_URL and WORKFLOW_MONITOR_TOKEN.
    """


for _command in (
    *(aois, status, failures, blockers, why, history, show, create, add, data, retry, fail, delete, watch, export),
    *(backup, restore, undo_migration, dashboard, demo),
):
    app.command()(_command)
# Unknown options go to Jupyter.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve)


def main() -> None:
    """Run the command."""
    use_shell_hints()
    app()

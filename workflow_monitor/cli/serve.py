"""`workflow-monitor serve`: the workflow server on its own, for several people or machines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from workflow_monitor.client.discovery import TOKEN


def serve(  # noqa: PLR0913, PLR0917 - each is an option of the command
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen at; 0.0.0.0 lets other machines in.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="The port.", show_default="8080")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The path below which everything is, as proxies pass it on.", show_default="/")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where the state is kept, as the trait store_url has it.", show_default="as in Jupyter"),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"A file with the token. Without one it is that of the variable {TOKEN}, or made up and told.",
            dir_okay=False,
            exists=True,
            show_default=False,
        ),
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy passes requests on; believe what it says of them.")
    ] = False,
    hub: Annotated[
        bool | None,
        typer.Option(
            "--hub/--no-hub",
            help="Ask JupyterHub who somebody is, as one of its services.",
            show_default="as a service that the hub has started",
        ),
    ] = None,
) -> None:
    """Serve workflows without notebooks, for several people or machines, until it is interrupted.

    It is a Jupyter server with this extension alone: neither kernels nor files can be reached. Other Jupyter servers use it
    by their variable WORKFLOW_MONITOR_UPSTREAM. Further arguments go to Jupyter, such as --WorkflowMonitor.queue=lease.
    """
    from workflow_monitor.server import standalone  # noqa: PLC0415 - the other commands need no server

    # The variables are for clients; the server's own kernels, if it had any, were not to inherit them.
    given = os.environ.pop(TOKEN, "")
    token = token_file.read_text(encoding="utf-8").strip() if token_file else given
    try:
        config = standalone.build_config(
            host=host,
            port=port,
            base_url=base_url,
            store=store,
            token=token,
            behind_proxy=behind_proxy,
            hub=standalone.is_service_of_hub() if hub is None else hub,
        )
    except standalone.ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    standalone.serve(config, context.args)

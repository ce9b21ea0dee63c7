"""`workflow-monitor serve`: a standalone workflow server for several users or machines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from workflow_monitor.connection.environment import TOKEN


def serve(  # noqa: PLR0913, PLR0917 - each is an option of the command
    context: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen on; 0.0.0.0 accepts other machines.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="The port.", show_default="8080")] = None,
    base_url: Annotated[
        str | None, typer.Option(help="The URL prefix of all paths, as proxies forward it.", show_default="/")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="The URL of the store, as in the trait store_url.", show_default="as in Jupyter"),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help=f"A file with the token; otherwise the token is {TOKEN}, or random and printed.",
            dir_okay=False,
            exists=True,
            show_default=False,
        ),
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="Trust the forwarding headers of a proxy.")
    ] = False,
    hub: Annotated[
        bool | None,
        typer.Option(
            "--hub/--no-hub",
            help="Authenticate users with JupyterHub, as a hub service.",
            show_default="on if started by the hub",
        ),
    ] = None,
) -> None:
    """Serve workflows without notebooks, for several users or machines, until interrupted.

    The server is a Jupyter server with this extension alone, without kernels and files. Other Jupyter servers forward
    to it by WORKFLOW_MONITOR_UPSTREAM. Further options go to Jupyter, such as --WorkflowMonitor.queue=lease.
    """
    from workflow_monitor.server import standalone  # noqa: PLC0415 - loads the server

    # Child processes must not inherit the token.
    token_variable = os.environ.pop(TOKEN, "")
    token = token_file.read_text(encoding="utf-8").strip() if token_file else token_variable
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

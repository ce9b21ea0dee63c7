"""`workflow-monitor demo`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from workflow_monitor.demo.run import Options, run


def demo(  # noqa: PLR0913, PLR0917 - each is an option of the command
    folder: Annotated[Path, typer.Option("--dir", help="Where notebooks and state are kept.")] = Path(
        "workflow-monitor-demo"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the state that is there and start anew.")] = False,
    headless: Annotated[
        bool, typer.Option("--headless", help="No JupyterLab and no browser; tell the progress line by line.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open JupyterLab in a browser.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port, or the next that is free.")] = 8888,
    token: Annotated[str, typer.Option(help="The token of the server; made up if there is none.")] = "",
    scenes: Annotated[int, typer.Option(min=0, help="How many scenes the large AOI has.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another number, other troubles.")] = 1,
    speed: Annotated[float, typer.Option(min=0.01, help="How much faster time goes for the workers.")] = 1.0,
    workers: Annotated[int, typer.Option(min=1, max=100, help="How many workers each queue has.")] = 4,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when everything is done or waits for a person.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after this time.")] = None,
) -> None:
    """JupyterLab on a live example ingestion, with simulated workers that fail as real ones do.

    The state survives: the same command goes on where it was stopped.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options = Options(
        folder=folder,
        fresh=fresh,
        headless=headless,
        browser=browser,
        port=port,
        token=token,
        scenes=scenes,
        seed=seed,
        speed=speed,
        workers=workers,
        until_idle=until_idle,
        seconds=seconds,
    )
    raise typer.Exit(run(options, typer.echo))

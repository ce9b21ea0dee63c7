"""`workflow-monitor demo`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from workflow_monitor.demo.run import Options, run


def demo(  # noqa: PLR0913, PLR0917 - each is an option of the command
    folder: Annotated[Path, typer.Option("--dir", help="The folder of notebooks and state.")] = Path(
        "workflow-monitor-demo"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the saved state first.")] = False,
    headless: Annotated[
        bool, typer.Option("--headless", help="Run without JupyterLab and browser; print progress lines.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open JupyterLab in a browser.")] = True,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port, or the next free one.")] = 8888,
    token: Annotated[str, typer.Option(help="The token of the server; random by default.")] = "",
    scenes: Annotated[int, typer.Option(min=0, help="Count of scenes in the large AOI.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the simulated failures.")] = 1,
    speed: Annotated[float, typer.Option(min=0.01, help="Speed-up of the simulated workers.")] = 1.0,
    workers: Annotated[int, typer.Option(min=1, max=100, help="Workers per queue.")] = 4,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when no job is queued or running.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after this time, in seconds.")] = None,
) -> None:
    """Start JupyterLab on a live example ingestion with simulated workers and failures.

    The state is saved: the same command resumes the ingestion.
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

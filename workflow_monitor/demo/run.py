"""The demo: a Jupyter server with an example ingestion, and workers until everything is done or waits for a person."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import shlex
import shutil
import signal
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from workflow_monitor.demo.connection import Connection, Refused
from workflow_monitor.demo.ingestions import Ingestion, examples
from workflow_monitor.demo.jupyter import CannotStart, Jupyter, free_port, is_in_use, missing, state_of
from workflow_monitor.demo.workers import SimulationSpeed, WorkerPool, is_idle

log = logging.getLogger(__name__)

NOTEBOOK = "01_quickstart.ipynb"

Say = Callable[[str], None]
Overview = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person who starts the demo chooses."""

    folder: Path
    fresh: bool = False
    headless: bool = False
    browser: bool = True
    port: int = 8888
    token: str = ""
    #: of the large AOI
    scenes: int = 2000
    seed: int = 1
    speed: float = 1.0
    #: of each queue
    workers: int = 4
    until_idle: bool = False
    seconds: float | None = None


def run(options: Options, say: Say) -> int:
    """The exit code, when it is over: 0 well, 1 it could not start or was not done in time, 130 interrupted before."""
    try:
        return asyncio.run(_run(options, say))
    except CannotStart as error:
        say(f"The demo could not start.\n{error}")
        return 1
    except Refused as refusal:
        say(f"The workflow server refused: {refusal}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError) as stopped:
        by = f" by {stopped}" if str(stopped) else ""
        say(f"Stopped{by}. The same command goes on from here; with --fresh it starts anew.")
        return 130 if options.until_idle else 0


async def _run(options: Options, say: Say) -> int:
    if needed := missing(lab=not options.headless):
        raise CannotStart(
            f"JupyterLab is not complete here. Install what is missing: pip install {' '.join(needed.values())}\n"
            "Or run the demo without it: workflow-monitor demo --headless"
        )
    folder = prepare(options.folder, options.fresh)
    jupyter = Jupyter(
        folder=folder,
        port=free_port(options.port),
        token=options.token or secrets.token_hex(16),
        lab=not options.headless,
        browser=options.browser and not options.headless,
        notebook=NOTEBOOK,
    )
    task = asyncio.current_task()
    with _stopped_by(signal.SIGTERM, task), _stopped_by(signal.SIGHUP, task):
        say(f"Starting {'JupyterLab' if jupyter.lab else 'a Jupyter server'} in {folder} …")
        async with jupyter.running() as server, Connection(jupyter.url, jupyter.token) as connection:
            for ingestion in examples(options.scenes, options.seed):
                say(await ingest(connection, ingestion))
            say(greeting(jupyter))
            crew = WorkerPool(connection, SimulationSpeed(options.speed, options.seed), options.workers)
            return await _watch(options, crew, server, say)


async def _watch(options: Options, crew: WorkerPool, server: asyncio.subprocess.Process, say: Say) -> int:
    """Let the crew work until the end that was asked for."""
    work = asyncio.create_task(crew.run())
    narration = asyncio.create_task(_narrate(options, crew.connection, say))
    ended = asyncio.create_task(server.wait())
    tasks = (work, narration, ended)
    try:
        done, _ = await asyncio.wait(tasks, timeout=options.seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if ended in done:
        raise CannotStart("Jupyter has ended, so the demo ends too.")
    if narration in done or not options.until_idle:
        return 0
    say(f"Not done after {options.seconds:g} seconds.")
    return 1


async def _narrate(options: Options, connection: Connection, say: Say) -> None:
    """Tell how it goes, if headless, and when nothing is left to do. Ends then, if asked to."""
    pause = min(2.0, max(0.2, 2 / options.speed))
    was_idle, told, told_at = False, "", -math.inf
    while True:
        idle = await is_idle(connection)
        overviews = await _overviews(connection)
        summary = summary_of(overviews)
        due = idle or time.monotonic() - told_at >= 2
        if options.headless and due and summary != told:
            say(f"{time.strftime('%H:%M:%S')}  {summary}")
            told, told_at = summary, time.monotonic()
        if idle and not was_idle:
            say(f"Nothing is left to do for the workers. {waiting(overviews)}")
        if idle and options.until_idle:
            return
        was_idle = idle
        await asyncio.sleep(pause)


# --- the folder


def prepare(folder: Path, fresh: bool) -> Path:
    """The folder with the notebooks in it; `fresh` forgets its store. Notebooks that are there are left as they are."""
    folder = folder.expanduser().resolve()
    try:
        if is_in_use(folder):
            raise CannotStart(f"A demo is running in {folder} already. Stop it, or name another folder: --dir DIR")
        if fresh and state_of(folder).is_dir():
            shutil.rmtree(state_of(folder))
        state_of(folder).mkdir(parents=True, exist_ok=True)
        for notebook in sorted(notebooks().glob("*.ipynb")):
            if not (folder / notebook.name).exists():
                shutil.copyfile(notebook, folder / notebook.name)
    except OSError as error:
        raise CannotStart(f"{error}. Name another folder: --dir DIR") from error
    return folder


def notebooks() -> Path:
    """Where the notebooks are: beside the package in a checkout, else where its wheel has put them."""
    beside = Path(__file__).resolve().parents[2] / "notebooks"
    return beside if beside.is_dir() else Path(sysconfig.get_path("data"), "share", "workflow-monitor", "notebooks")


# --- the ingestions


async def ingest(connection: Connection, ingestion: Ingestion) -> str:
    """What was done to have this AOI on the server; one that has scenes is left as it is."""
    path = f"aoi/{quote(ingestion.aoi, safe='')}"
    try:
        await connection.call("POST", path)
    except Refused as refusal:
        if refusal.status != 409:
            raise
    there = (await _overview(connection, ingestion.aoi))["scenes"].get("total", 0)
    if there:
        kept = "" if there == len(ingestion.scenes) else f" instead of {len(ingestion.scenes)}; --fresh makes it anew"
        return f"  {ingestion.aoi:<18} is there already: {there} scenes{kept}"
    await connection.call("POST", f"{path}/scenes", ingestion.scenes)
    return f"  {ingestion.aoi:<18} {ingestion.about}: {len(ingestion.scenes)} scenes"


async def _overview(connection: Connection, aoi: str) -> Overview:
    """How many scenes and tiles have each status, in lower case, and in total."""
    answer = await connection.call("GET", f"aoi/{quote(aoi, safe='')}?format=json")
    parts = answer if isinstance(answer, Mapping) else {}
    return {part: dict(parts.get(part, {})) for part in ("scenes", "tiles")}


async def _overviews(connection: Connection) -> dict[str, Overview]:
    """The overviews of all AOIs, by name."""
    listed = await connection.call("GET", "aoi/")
    overviews = {}
    for name in [str(aoi["ID"]) for aoi in listed] if isinstance(listed, list) else []:
        try:
            overviews[name] = await _overview(connection, name)
        except Refused as refusal:
            if refusal.status != 404:  # deleted meanwhile
                raise
    return overviews


# --- what is said


def greeting(jupyter: Jupyter) -> str:
    """Where everything is, with commands that can be pasted."""
    header = shlex.quote(f"Authorization: token {jupyter.token}")
    endpoints = f"{jupyter.url}workflow-monitor/"
    kept = "" if jupyter.lab else " (JupyterLab comes without --headless)"
    return f"""
  Open       {jupyter.page}{kept}
  Endpoints  {endpoints}
  Token      {jupyter.token}

How an ingestion stands, what waits for a person, and trying all of it again:
  curl -s -H {header} {endpoints}aoi/DenmarkS1
  curl -s -H {header} '{endpoints}aoi/*/scenes/RETRY'
  curl -s -H {header} -X PUT '{endpoints}aoi/*/retry'

The state is kept in {jupyter.folder}. Ctrl-C stops the demo.
"""


def summary_of(overviews: Mapping[str, Overview]) -> str:
    """How far each AOI is, on one line.

    >>> summary_of({"DenmarkS2": {"scenes": {"done": 3, "retry": 1, "total": 4}, "tiles": {"done": 2, "total": 4}}})
    'DenmarkS2: scenes 3/4, 1 retry; tiles 2/4'
    """
    return "   ".join(
        f"{aoi}: {'; '.join(f'{part} {_progress(counts)}' for part, counts in overview.items())}"
        for aoi, overview in overviews.items()
    )


def _progress(counts: Mapping[str, int]) -> str:
    troubles = (f", {counts[status]} {status}" for status in ("retry", "failed") if counts.get(status))
    return f"{counts.get('done', 0)}/{counts.get('total', 0)}{''.join(troubles)}"


def waiting(overviews: Mapping[str, Overview]) -> str:
    """What waits for a person."""
    scenes, tiles = (
        sum(overview[part].get("retry", 0) for overview in overviews.values()) for part in ("scenes", "tiles")
    )
    if not scenes and not tiles:
        return "Everything is done or given up."
    return f"In RETRY, waiting for a person: {scenes} scenes, {tiles} tiles."


@contextlib.contextmanager
def _stopped_by(number: signal.Signals, task: asyncio.Task[object] | None) -> Iterator[None]:
    """Within this, the signal cancels the task as Ctrl-C does, unless the process was told to ignore it (nohup)."""
    if task is None or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, task.cancel, number.name)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)

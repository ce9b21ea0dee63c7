"""The demo: a Jupyter server, an example ingestion, and simulated workers."""

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

from workflow_monitor.client.errors import RequestRejected
from workflow_monitor.demo.connection import Connection
from workflow_monitor.demo.ingestions import Ingestion, examples
from workflow_monitor.demo.jupyter import CannotStart, Jupyter, free_port, is_in_use, missing, state_of
from workflow_monitor.demo.workers import SimulationSpeed, WorkerPool, is_idle

log = logging.getLogger(__name__)

NOTEBOOK = "01_quickstart.ipynb"

Print = Callable[[str], None]
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the demo."""

    folder: Path
    fresh: bool = False
    headless: bool = False
    browser: bool = True
    port: int = 8888
    token: str = ""
    #: scenes of the large AOI
    scenes: int = 2000
    seed: int = 1
    speed: float = 1.0
    #: workers per queue
    workers: int = 4
    until_idle: bool = False
    seconds: float | None = None


def run(options: Options, echo: Print) -> int:
    """Run the demo and return its exit code: 0 done, 1 not started or timed out, 130 interrupted."""
    try:
        return asyncio.run(_run(options, echo))
    except CannotStart as error:
        echo(f"The demo could not start.\n{error}")
        return 1
    except RequestRejected as error:
        echo(f"The workflow server rejected a request: {error}")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError) as stopped:
        by = f" by {stopped}" if str(stopped) else ""
        echo(f"Stopped{by}. The same command resumes; --fresh starts from scratch.")
        return 130 if options.until_idle else 0


async def _run(options: Options, echo: Print) -> int:
    if needed := missing(lab=not options.headless):
        raise CannotStart(
            f"JupyterLab is incomplete. Install the missing packages: pip install {' '.join(needed.values())}\n"
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
        echo(f"Starting {'JupyterLab' if jupyter.lab else 'a Jupyter server'} in {folder} …")
        async with jupyter.running() as server, Connection(jupyter.url, jupyter.token) as connection:
            for ingestion in examples(options.scenes, options.seed):
                echo(await ingest(connection, ingestion))
            echo(greeting(jupyter))
            workers = WorkerPool(connection, SimulationSpeed(options.speed, options.seed), options.workers)
            return await _watch(options, workers, server, echo)


async def _watch(options: Options, workers: WorkerPool, server: asyncio.subprocess.Process, echo: Print) -> int:
    """Run the workers until idle, timeout or the end of the server."""
    work = asyncio.create_task(workers.run())
    progress = asyncio.create_task(_report_progress(options, workers.connection, echo))
    ended = asyncio.create_task(server.wait())
    tasks = (work, progress, ended)
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
    if progress in done or not options.until_idle:
        return 0
    echo(f"Not done after {options.seconds:g} seconds.")
    return 1


async def _report_progress(options: Options, connection: Connection, echo: Print) -> None:
    """Print progress lines if headless, and a line when idle. Returns when idle with `until_idle`."""
    pause = min(2.0, max(0.2, 2 / options.speed))
    was_idle, printed, printed_at = False, "", -math.inf
    while True:
        idle = await is_idle(connection)
        overviews = await _overviews(connection)
        summary = summary_of(overviews)
        due = idle or time.monotonic() - printed_at >= 2
        if options.headless and due and summary != printed:
            echo(f"{time.strftime('%H:%M:%S')}  {summary}")
            printed, printed_at = summary, time.monotonic()
        if idle and not was_idle:
            echo(f"The queues are empty. {waiting(overviews)}")
        if idle and options.until_idle:
            return
        was_idle = idle
        await asyncio.sleep(pause)


# --- the folder


def prepare(folder: Path, fresh: bool) -> Path:
    """Copy missing notebooks into the folder and return it; `fresh` deletes its store. Raises CannotStart."""
    folder = folder.expanduser().resolve()
    try:
        if is_in_use(folder):
            raise CannotStart(f"A demo is already running in {folder}. Stop it, or choose another folder: --dir DIR")
        if fresh and state_of(folder).is_dir():
            shutil.rmtree(state_of(folder))
        state_of(folder).mkdir(parents=True, exist_ok=True)
        for notebook in sorted(notebooks().glob("*.ipynb")):
            if not (folder / notebook.name).exists():
                shutil.copyfile(notebook, folder / notebook.name)
    except OSError as error:
        raise CannotStart(f"{error}. Choose another folder: --dir DIR") from error
    return folder


def notebooks() -> Path:
    """Return the folder of notebooks: of the checkout, or of the installed wheel."""
    beside = Path(__file__).resolve().parents[2] / "notebooks"
    return beside if beside.is_dir() else Path(sysconfig.get_path("data"), "share", "workflow-monitor", "notebooks")


# --- the ingestions


async def ingest(connection: Connection, ingestion: Ingestion) -> str:
    """Create and fill an AOI unless it has scenes, and return a progress line."""
    path = f"aoi/{quote(ingestion.aoi, safe='')}"
    try:
        await connection.call("POST", path)
    except RequestRejected as error:
        if error.status != 409:
            raise
    existing = (await _overview(connection, ingestion.aoi))["scenes"].get("total", 0)
    if existing:
        kept = "" if existing == len(ingestion.scenes) else f" instead of {len(ingestion.scenes)}; --fresh recreates it"
        return f"  {ingestion.aoi:<18} exists: {existing} scenes{kept}"
    await connection.call("POST", f"{path}/scenes", ingestion.scenes)
    return f"  {ingestion.aoi:<18} {ingestion.about}: {len(ingestion.scenes)} scenes"


async def _overview(connection: Connection, aoi: str) -> Counts:
    """Return the counts of scenes and tiles per status, in lower case, and in total."""
    answer = await connection.call("GET", f"aoi/{quote(aoi, safe='')}?format=json")
    parts = answer if isinstance(answer, Mapping) else {}
    return {part: dict(parts.get(part, {})) for part in ("scenes", "tiles")}


async def _overviews(connection: Connection) -> dict[str, Counts]:
    """Return the counts of all AOIs, by name."""
    listed = await connection.call("GET", "aoi/")
    overviews = {}
    for name in [str(aoi["ID"]) for aoi in listed] if isinstance(listed, list) else []:
        try:
            overviews[name] = await _overview(connection, name)
        except RequestRejected as error:
            if error.status != 404:  # deleted meanwhile
                raise
    return overviews


# --- texts


def greeting(jupyter: Jupyter) -> str:
    """Return addresses and curl commands to paste."""
    header = shlex.quote(f"Authorization: token {jupyter.token}")
    endpoints = f"{jupyter.url}workflow-monitor/"
    kept = "" if jupyter.lab else " (JupyterLab comes without --headless)"
    return f"""
  Open       {jupyter.page}{kept}
  Endpoints  {endpoints}
  Token      {jupyter.token}

Show an AOI, list the scenes in RETRY, retry everything:
  curl -s -H {header} {endpoints}aoi/DenmarkS1
  curl -s -H {header} '{endpoints}aoi/*/scenes/RETRY'
  curl -s -H {header} -X PUT '{endpoints}aoi/*/retry'

The state is saved in {jupyter.folder}. Ctrl-C stops the demo.
"""


def summary_of(overviews: Mapping[str, Counts]) -> str:
    """Return the progress of all AOIs, in one line.

    >>> summary_of({"DenmarkS2": {"scenes": {"done": 3, "retry": 1, "total": 4}, "tiles": {"done": 2, "total": 4}}})
    'DenmarkS2: scenes 3/4, 1 retry; tiles 2/4'
    """
    return "   ".join(
        f"{aoi}: {'; '.join(f'{part} {_progress(counts)}' for part, counts in overview.items())}"
        for aoi, overview in overviews.items()
    )


def _progress(counts: Mapping[str, int]) -> str:
    failures = (f", {counts[status]} {status}" for status in ("retry", "failed") if counts.get(status))
    return f"{counts.get('done', 0)}/{counts.get('total', 0)}{''.join(failures)}"


def waiting(overviews: Mapping[str, Counts]) -> str:
    """Return the counts of items in RETRY, as a sentence."""
    scenes, tiles = (
        sum(overview[part].get("retry", 0) for overview in overviews.values()) for part in ("scenes", "tiles")
    )
    if not scenes and not tiles:
        return "All items are done or failed."
    return f"In RETRY, waiting for a manual retry: {scenes} scenes, {tiles} tiles."


@contextlib.contextmanager
def _stopped_by(signum: signal.Signals, task: asyncio.Task[object] | None) -> Iterator[None]:
    """Let a signal cancel the task as Ctrl-C does, unless the process ignores the signal (nohup)."""
    if task is None or signal.getsignal(signum) is signal.SIG_IGN:
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signum, task.cancel, signum.name)
    try:
        yield
    finally:
        loop.remove_signal_handler(signum)

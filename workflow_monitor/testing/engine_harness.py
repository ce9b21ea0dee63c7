"""An engine on a store under test, with functions to ingest, report and read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.domain.commands import Command, Ingest, ReportResults
from workflow_monitor.domain.models import Event, IngestOutcome, Page, Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.queues.lease import LeaseQueue
from workflow_monitor.store.interfaces import Store

AOI = "Denmark"
START = datetime(2022, 1, 4, tzinfo=UTC)
DATE = "2022-01-04T10:34:31.024Z"
SQUARE = {"type": "Polygon", "coordinates": [[[9.0, 55.0], [10.0, 55.0], [10.0, 56.0], [9.0, 56.0], [9.0, 55.0]]]}


class Clock:
    """A wall clock that stands still unless a test advances `seconds`; `holding` blocks its callers.

    `step` sets the wall clock without effect on `elapsed`, the monotonic clock.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.step = timedelta()
        self._open = threading.Event()
        self._open.set()

    def __call__(self) -> datetime:
        assert self._open.wait(60)
        return START + timedelta(seconds=self.seconds) + self.step

    def elapsed(self) -> float:
        """Return the seconds of the monotonic clock."""
        return self.seconds

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Block all callers of the clock within the context."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()


@dataclass
class Running:
    """A command processor on a store."""

    store: Store
    workflow: CommandProcessor
    clock: Clock

    def send(self, command: Command) -> Future[Any]:
        """Submit a command."""
        return self.workflow.submit(command, "tester")

    def do(self, command: Command) -> Any:
        """Submit a command and return its result."""
        return self.send(command).result(30)

    def add(self, aoi: str, *scenes: dict[str, Any]) -> list[int]:
        """Ingest scenes into an AOI and return their ids; see `new`."""
        outcome: IngestOutcome = self.do(Ingest(aoi, [parse_scene({"aoi": aoi, **scene}, aoi) for scene in scenes]))
        return list(outcome.added.values())

    def events(self) -> list[Event]:
        """Return all stored events."""
        return self.store.reader.events(0, None, 1_000_000)


@contextmanager
def engine_on(store: Store) -> Iterator[Running]:
    """Run a command processor on an open store; close both at the end."""
    clock = Clock()
    try:
        workflow = CommandProcessor(store, LeaseQueue, clock=clock, elapsed=clock.elapsed)
        try:
            yield Running(store, workflow, clock)
        finally:
            workflow.close()
    finally:
        store.close()


# ---- input


def new(name: str, previous: str | None = None, *, date: str = DATE) -> dict[str, Any]:
    """Return a scene document with one tile, optionally linked to the tile of the scene `previous`."""
    ends = [f"{role}_{part}_id" for role in ("previous", "reference") for part in ("scene", "tile")]
    link = {} if previous is None else {end: previous if "scene" in end else "T32UNG" for end in ends}
    data = {"date": date, "tiles": {"T32UNG": {"swath_id": "", "tile_nr": 0}}}
    return {"source_id": name, "retry_count": 1, "data": data, "tiles": {"T32UNG": {**link, "data": {}}}}


def chain(number: int) -> list[dict[str, Any]]:
    """Return `number` scene documents s1, s2 … with one tile each, linked in a chain."""
    return [new("s1"), *(new(f"s{n}", f"s{n - 1}") for n in range(2, number + 1))]


def ingest(engine: Running, number: int, aoi: str = AOI) -> list[int]:
    """Ingest `number` scenes with one tile each and return their ids."""
    return engine.add(aoi, *[new(f"S2A_{index}") for index in range(number)])


def report(engine: Running, kind: ItemKind, status: Status, *ids: int, message: str = "") -> None:
    """Report results and assert that each is applied."""
    results = [Result(kind=kind, id=number, status=status, message=message) for number in ids]
    assert {outcome.code for outcome in engine.do(ReportResults(results))} == {"applied"}


# ---- output


def texts(chunks: Iterable[list[str]]) -> list[Any]:
    """Decode documents that arrive in chunks."""
    return [json.loads(text) for chunk in chunks for text in chunk]


def numbers(chunks: Iterable[list[str]]) -> list[int]:
    """Return the ids of documents that arrive in chunks."""
    return [document["id"] for document in texts(chunks)]


def document(engine: Running, kind: ItemKind, number: int) -> str | None:
    """Return the JSON document of a scene or tile, None if it does not exist."""
    return engine.store.reader.documents(kind, [number]).get(number)


def items(engine: Running, kind: ItemKind = ItemKind.SCENE, *statuses: Status, page: Page | None = None) -> list[int]:
    """Return the ids of scenes or tiles of all AOIs in some statuses."""
    aois = [aoi.id for aoi in engine.store.reader.aois()]
    return numbers(engine.store.reader.items(kind, aois, statuses or tuple(Status), page, "document"))

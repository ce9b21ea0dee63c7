"""Engine on a store, and its state in the terms of the reference model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from tests.reference_model import SCENE, Item, Job, Key, Link, Model, NewScene
from workflow_monitor.documents.scene_documents import parse_scene
from workflow_monitor.domain.commands import Command, Ingest
from workflow_monitor.domain.models import IngestOutcome
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.engine.command_processor import CommandProcessor
from workflow_monitor.queues.lease import LeaseQueue
from workflow_monitor.store import open_store
from workflow_monitor.store.interfaces import Store
from workflow_monitor.testing import engine_harness as testing
from workflow_monitor.testing.engine_harness import DATE, Clock


class Snapshot(NamedTuple):
    """All there is, in a form that can be compared."""

    #: status and numbers of scenes, tiles, and tiles of DONE scenes in each status
    aois: dict[str, tuple[Status, dict[Status, int], dict[Status, int], dict[Status, int]]]
    items: dict[Key, Item]
    #: jobs without a lease, withdrawn ones included
    untaken: set[Job]
    leased: set[Job]
    #: jobs that have still to be done
    current: set[Job]


class Failing:
    """Store whose transactions fail before the commit while `error` is set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writer = store.writer
        self.error: Exception | None = None

    @property
    def writer(self) -> Any:
        return self

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        with self._writer.transaction() as is_outdated:
            yield is_outdated
            if self.error is not None:
                raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer if hasattr(self._writer, name) else self._store, name)


@dataclass
class Running(testing.Running):
    """A workflow on a store, compared with the model."""

    failing: Failing | None = None

    def fail(self, command: Command, error: Exception) -> BaseException | None:
        """Execute a command in a transaction that cannot commit; return the error."""
        assert self.failing is not None
        self.failing.error = error
        try:
            return self.send(command).exception(30)
        finally:
            self.failing.error = None

    def restart(self) -> None:
        """Restart the engine on the stored state."""
        self.workflow.close()
        self.workflow = CommandProcessor(
            cast("Store", self.failing or self.store), LeaseQueue, clock=self.clock, elapsed=self.clock.elapsed
        )

    def ingest(self, aoi: str, *scenes: NewScene) -> list[int]:
        outcome: IngestOutcome = self.do(ingestion(aoi, scenes))
        return list(outcome.added.values())

    def snapshot(self) -> Snapshot:
        reader = self.store.reader
        aois = reader.aois()
        names = {aoi.id: aoi.name for aoi in aois}
        items = dict(self._items(names))
        queued, leased = self._jobs("queued"), {job for job, _ in self._jobs("leased")}
        return Snapshot(
            {
                aoi.name: (aoi.status, _there(aoi.scenes), _there(aoi.tiles), _there(aoi.tiles_of_done_scenes))
                for aoi in aois
            },
            items,
            {job for job, _ in queued},
            leased,
            leased | {job for job, is_withdrawn in queued if not is_withdrawn},
        )

    def _jobs(self, state: str) -> set[tuple[Job, bool]]:
        """Jobs, and whether they have been withdrawn."""
        rows = ((kind, row) for kind in ItemKind for rows in self.store.reader.jobs(kind, state, None) for row in rows)
        return {(job_of(kind, row.attempt, json.loads(row.message)), row.withdrawn is not None) for kind, row in rows}

    def _items(self, aois: Iterable[int]) -> Iterator[tuple[Key, Item]]:
        for kind in ItemKind:
            for chunk in self.store.reader.items(kind, list(aois), list(Status), None, "document"):
                for text in chunk:
                    item = item_of(kind, json.loads(text))
                    yield Key(kind, item.id), item


def item_of(kind: ItemKind, document: dict[str, Any]) -> Item:
    """A scene or tile of the model, from how it is shown."""
    owner = document if kind is SCENE else document["scene"]
    return Item(
        kind,
        document["id"],
        owner["aoi"],
        document["source_id"],
        document["RetryCountDown"],
        Status(document["status"]),
        document["message"],
        document["attempt"],
        None if kind is SCENE else owner["id"],
        document.get("PreviousID"),
        document.get("ReferenceID"),
    )


def job_of(kind: ItemKind, attempt: int, message: dict[str, Any]) -> Job:
    """Return a job of the model from its message."""
    ends = (message.get(f"tile_{end}", {}).get("id") or None for end in ("previous", "reference"))
    return Job(kind, message["id"], attempt, *ends)


def _there(counts: Counter[Status]) -> dict[Status, int]:
    return {status: number for status, number in counts.items() if number}


def snapshot_of(model: Model) -> Snapshot:
    """Return the expected state of an engine after the same commands as the model."""
    known = [job for job in model.jobs if Key(job.kind, job.item) in model.items]
    current = model.current()

    def shown(jobs: Iterable[Job]) -> set[Job]:
        return {_as_it_is_now(model, job) if job in current else job for job in jobs}

    return Snapshot(
        {aoi: (model.status(aoi), *(dict(counter) for counter in model.counters(aoi))) for aoi in model.aois},  # type: ignore[misc]
        dict(model.items),
        shown(job for job in known if not model.was_leased(job)),
        shown(job for job in current if model.was_leased(job)),
        shown(current),
    )


def _as_it_is_now(model: Model, job: Job) -> Job:
    """A job that is not finished names the present previous and reference tiles, not failed ones."""
    item = model.items[Key(job.kind, job.item)]
    return job._replace(previous=item.previous, reference=item.reference if job.reference is not None else None)


def differences(found: Snapshot, expected: Snapshot) -> list[str]:
    """Return the differences of two snapshots as text."""
    texts = []
    for name, left, right in zip(Snapshot._fields, found, expected, strict=True):
        if isinstance(left, dict) and isinstance(right, dict):
            keys = [key for key in {**left, **right} if left.get(key) != right.get(key)]
            texts += [f"{name} {key}: found {left.get(key)}, expected {right.get(key)}" for key in keys]
        elif isinstance(left, set) and isinstance(right, set):
            texts += [f"{name}: found also {job}" for job in left - right]
            texts += [f"{name}: did not find {job}" for job in right - left]
    return texts


def ingestion(aoi: str, scenes: Iterable[NewScene], *, skip_existing: bool = False) -> Ingest:
    """The command that ingests scenes of the model."""
    return Ingest(aoi, [parse_scene(document_of(aoi, scene), aoi) for scene in scenes], skip_existing)


def document_of(aoi: str, scene: NewScene) -> dict[str, Any]:
    """A scene of the model as it is sent."""
    return {
        "source_id": scene.name,
        "aoi": aoi,
        "retry_count": scene.countdown,
        "data": {"date": DATE, "tiles": {name: {"swath_id": "", "tile_nr": 0} for name in scene.tiles}},
        "tiles": {name: {**_links(links), "data": {"graph_name": ""}} for name, links in scene.tiles.items()},
    }


def _links(links: tuple[Link, Link] | None) -> dict[str, str]:
    previous, reference = links or (Link("", ""), Link("", ""))
    return {
        "previous_tile_id": previous.tile,
        "previous_scene_id": previous.scene,
        "reference_tile_id": reference.tile,
        "reference_scene_id": reference.scene,
    }


@contextmanager
def running_on_store(store: Store) -> Iterator[Running]:
    """A workflow on an open store, which is closed with it."""
    clock = Clock()
    try:
        failing = Failing(store)
        engine = Running(
            store,
            CommandProcessor(cast("Store", failing), LeaseQueue, clock=clock, elapsed=clock.elapsed),
            clock,
            failing,
        )
        try:
            yield engine
        finally:
            engine.workflow.close()
    finally:
        store.close()


@contextmanager
def running() -> Iterator[Running]:
    """A workflow on an empty store in memory."""
    with running_on_store(open_store("duckdb:///:memory:")) as engine:
        yield engine

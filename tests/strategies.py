"""Random walks: commands of workers and users, faults between them, and the expectation of the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.engine_harness import ingestion
from tests.reference_model import (
    DONE,
    FAILED,
    NEW,
    PENDING,
    RETRY,
    SCENE,
    TILE,
    Answer,
    Item,
    Job,
    Key,
    Link,
    Model,
    ModelResult,
    NewScene,
    Refused,
)
from workflow_monitor.domain.commands import (
    Command,
    CreateAOI,
    DeleteAOI,
    ExpireLeases,
    FailItem,
    ForceStatus,
    Ingest,
    LeaseJobs,
    ReportResults,
    RetryAOI,
    RetryItem,
)
from workflow_monitor.domain.models import IngestOutcome, Result
from workflow_monitor.domain.status import ItemKind, Status

AOIS = ("Denmark", "denmark S2")
PATTERNS = (AOIS[0], "denmark*(?i)", "Nowhere", "D?nmark", AOIS[1], AOIS[0])
PLACES = ("A44_IW1_8951", "A44_IW1_8979", "T32UNG")
QUEUES = {SCENE: "downloader", TILE: "processor"}
SECONDS = 100.0
NOBODY = 1_000_000


class Nothing(NamedTuple):
    """Empty step, to which others shrink."""


class Pick(NamedTuple):
    """Choice of an item: PENDING, in RETRY, any, or one that does not exist."""

    among: str
    number: int


class Create(NamedTuple):
    aoi: str


class Delete(NamedTuple):
    aoi: str


class NewTile(NamedTuple):
    """A tile of a scene: how it is linked, and to which tiles if that is left open."""

    place: str
    links: str
    previous: int
    reference: int


class Grow(NamedTuple):
    aoi: str
    scenes: list[tuple[int, int, list[NewTile]]]


class ReportStep(NamedTuple):
    """Results: item, status, message, and the offset of the attempt (None: no attempt)."""

    results: list[tuple[ItemKind, Pick, Status, str, int | None]]


class RepairStep(NamedTuple):
    verb: str
    kind: ItemKind
    pick: Pick
    status: Status


class RetryAll(NamedTuple):
    pattern: str
    force: bool


class LeaseStep(NamedTuple):
    kind: ItemKind
    limit: int


class Wait(NamedTuple):
    """Time passes, and leases that are late run out."""

    seconds: float


class Finish(NamedTuple):
    """A worker reports one of its last jobs or an older one, even if the lease is lost or the item is done."""

    number: int
    status: Status


class Again(NamedTuple):
    """One of the last reports arrives once more."""

    number: int


class Restart(NamedTuple):
    """Restart of the engine on the stored state."""


class Uncommitted(NamedTuple):
    """The transaction of the next step fails, and the step is repeated."""

    #: by an unexpected exception
    is_strange: bool


Step = (
    Nothing
    | Create
    | Delete
    | Grow
    | ReportStep
    | RepairStep
    | RetryAll
    | LeaseStep
    | Wait
    | Finish
    | Again
    | Restart
    | Uncommitted
)

# Hypothesis prefers the ends of a list: rare steps are in the middle
_number = st.integers(0, 40)
_kind = st.sampled_from([TILE, SCENE, TILE])
_pick = st.builds(Pick, st.sampled_from(["pending"] * 8 + ["any"] * 2 + ["nobody"] + ["any"] * 4), _number)
_pick_to_repair = st.builds(Pick, st.sampled_from(["any"] * 5 + ["nobody"] + ["retry"] * 6), _number)
_tile = st.builds(
    NewTile,
    st.sampled_from(PLACES),
    st.sampled_from(["chain"] * 7 + ["nowhere"] + ["odd"] * 2 + ["root"] * 3 + ["fork"] * 4),
    _number,
    _number,
)
_scene = st.tuples(
    st.integers(0, 60), st.integers(-1, 2), st.lists(_tile, min_size=1, max_size=3, unique_by=lambda tile: tile.place)
)
_grow = st.builds(
    Grow,
    st.sampled_from([AOIS[0]] * 4 + [AOIS[1]] + [AOIS[0]]),
    st.lists(_scene, min_size=1, max_size=3, unique_by=lambda scene: scene[0]),
)
_result = st.tuples(
    _kind,
    _pick,
    st.sampled_from([DONE] * 9 + [PENDING, NEW] + [FAILED] * 4 + [RETRY] * 4),
    st.sampled_from(["", "broken", 'it\'s "gone"\n']),
    st.sampled_from([None] * 8 + [-1, 1] + [0] * 5),
)
_report_step = st.builds(ReportStep, st.lists(_result, min_size=1, max_size=6))
_verb = st.sampled_from(["retry"] * 4 + ["fail", "fail/force", "fail"] + ["force"] * 5)
_repair_step = st.builds(
    RepairStep, _verb, _kind, _pick_to_repair, st.sampled_from([DONE, RETRY, NEW, PENDING, FAILED, RETRY])
)
_retry_all = st.builds(RetryAll, st.sampled_from(PATTERNS), st.booleans())
_lease_step = st.builds(LeaseStep, _kind, st.integers(1, 4))
_finish = st.builds(Finish, st.integers(0, 12), st.sampled_from([DONE] * 5 + [FAILED] + [RETRY] * 2))
_again = st.builds(Again, st.integers(0, 5))
_wait = st.builds(Wait, st.sampled_from([SECONDS / 4, SECONDS]))


def _weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Step]:
    return st.sampled_from([choice for weight, choice in choices for _ in range(weight)]).flatmap(lambda choice: choice)


#: commands in one batch
moments = _weighted(
    (1, st.builds(Nothing)),
    (10, _report_step),
    (2, _retry_all),
    (1, st.builds(Create, st.sampled_from(AOIS))),
    (1, st.builds(Delete, st.sampled_from([AOIS[1]] * 4 + [AOIS[0], AOIS[1]]))),
    (10, _repair_step),
    (5, _grow),
    (2, _again),
    (4, _lease_step),
    (4, _finish),
    (6, _report_step),
)
_faults = st.one_of(st.builds(Restart), st.builds(Uncommitted, st.booleans()))
steps = _weighted((6, moments), (1, _wait), (1, _faults), (6, moments))


class Expected(NamedTuple):
    """Command, result of the model, and the error codes that are allowed instead."""

    command: Command
    answer: object
    codes: frozenset[str]


#: a command, and its execution by the model
Plan = tuple[Command, Callable[[], object]]


@dataclass
class Walk:
    """Execution of a walk on the model, step by step."""

    model: Model = field(default_factory=Model)
    now: float = 0.0
    #: leased jobs
    leased: list[Job] = field(default_factory=list)
    #: reported batches of results
    reports: list[list[ModelResult]] = field(default_factory=list)

    def take(self, step: Step) -> Expected | None:
        """Apply a step to the model; return the commands for the engine and the expected results."""
        if isinstance(step, Nothing | Restart | Uncommitted):
            return None
        if isinstance(step, Wait):
            self.now += step.seconds
        command, carry_out = self._plan(step) if not isinstance(step, RepairStep) else self._plan_repair(*step)
        try:
            return Expected(command, carry_out(), frozenset())
        except Refused as refused:
            return Expected(command, None, refused.codes)

    def _plan(self, step: Step) -> Plan:
        model = self.model
        match step:
            case Create(aoi):
                return CreateAOI(aoi), partial(model.create, aoi)
            case Delete(aoi):
                return DeleteAOI(aoi), partial(model.delete, aoi)
            case Grow(aoi):
                scenes = self._new_scenes(step)
                return ingestion(aoi, scenes), partial(model.ingest, aoi, scenes)
            case ReportStep(results):
                return self._report([self._result(*result) for result in results])
            case Finish(number, status):
                jobs = self.leased[-1 - number % len(self.leased) :][:1] if self.leased else []
                return self._report([ModelResult(job.kind, job.item, status, "", job.attempt) for job in jobs])
            case Again(number):
                return self._report(self.reports[-1 - number % len(self.reports)] if self.reports else [])
            case RetryAll(pattern, force):
                return RetryAOI(pattern, force), partial(model.retry_aoi, pattern, force=force)
            case LeaseStep(kind, limit):
                until = self.now + SECONDS
                return LeaseJobs(QUEUES[kind], limit, SECONDS, "worker"), partial(self._lease, kind, limit, until)
        return ExpireLeases(), partial(model.expire, self.now)

    def _report(self, results: list[ModelResult]) -> Plan:
        self.reports.append(results)
        return ReportResults([Result(**result._asdict()) for result in results]), partial(self.model.report, results)

    def _lease(self, kind: ItemKind, limit: int, until: float) -> list[Job]:
        jobs = self.model.lease(kind, limit, until)
        self.leased += jobs
        return jobs

    def _plan_repair(self, verb: str, kind: ItemKind, pick: Pick, status: Status) -> Plan:
        kind, number = self._pick(kind, pick)
        if verb == "retry":
            return RetryItem(kind, number), partial(self.model.retry, kind, number)
        if verb == "force":
            return ForceStatus(kind, number, status), partial(self.model.force, kind, number, status)
        force = verb == "fail/force"
        return FailItem(kind, number, force=force), partial(self.model.fail, kind, number, force=force)

    def _pick(self, kind: ItemKind, pick: Pick) -> Key:
        """Return an item of the kind and status; failing that, of the other kind; failing that, a scene of any status."""
        statuses = {"pending": {PENDING}, "retry": {RETRY}}.get(pick.among, set(Status))
        both = [
            [item for item in part if item.status in statuses] for part in (self.model.scenes(), self.model.tiles())
        ]
        same, other = both if kind is SCENE else reversed(both)
        candidates = same or other or self.model.scenes()
        if pick.among == "nobody" or not candidates:
            return Key(kind, NOBODY)
        item = candidates[pick.number % len(candidates)]
        return Key(item.kind, item.id)

    def _result(self, kind: ItemKind, pick: Pick, status: Status, message: str, off: int | None) -> ModelResult:
        key = self._pick(kind, pick)
        item = self.model.items.get(key)
        attempt = None if off is None else (item.attempt if item else 0) + off
        return ModelResult(*key, status, message, attempt)

    def _new_scenes(self, grow: Grow) -> list[NewScene]:
        """Return scenes with links to existing tiles or to tiles of earlier scenes."""
        tiles = [Known(self._link(t), self._reference(t), t.status is FAILED) for t in self.model.tiles(grow.aoi)]
        scenes = []
        for number, countdown, parts in grow.scenes:
            tiles_of_scene: dict[str, tuple[Link, Link] | None] = {}
            scene = NewScene(f"S1A_{number}", countdown, tiles_of_scene)
            # a scene with this name may exist: links to its tiles would lead to the tiles of the new one
            tiles = [t for t in tiles if scene.name not in (t.link.scene, t.reference and t.reference.scene)]
            for part in parts:
                links = _links(part, tiles)
                tiles_of_scene[part.place] = links
                tiles.append(Known(Link(scene.name, part.place), links[1] if links else None, failed=False))
            scenes.append(scene)
        return scenes

    def _link(self, tile: Item) -> Link:
        return Link(self.model.scene_of(tile).name, tile.name)

    def _reference(self, tile: Item) -> Link | None:
        return None if tile.reference is None else self._link(self.model.items[Key(TILE, tile.reference)])


class Known(NamedTuple):
    """A tile that others can be linked to."""

    link: Link
    reference: Link | None
    failed: bool


def _links(part: NewTile, tiles: list[Known]) -> tuple[Link, Link] | None:
    """Links of previous and reference tile."""
    chain = [tile for tile in tiles if tile.link.tile == part.place and not tile.failed][-1:]
    match part.links:
        case "nowhere":
            return Link("S1A_99", part.place), Link("S1A_99", part.place)
        case "chain" if chain:
            previous = chain[0]
            return previous.link, previous.reference or previous.link
        case "fork" if tiles:
            previous = tiles[part.previous % len(tiles)]
            return previous.link, previous.reference or previous.link
        case "odd" if tiles:
            return tiles[part.previous % len(tiles)].link, tiles[part.reference % len(tiles)].link
    return None


def same(found: object, expected: Expected) -> bool:
    """Return True if the result of the engine equals that of the model."""
    match expected.command:
        case ExpireLeases():
            return True  # the engine may have expired the leases on its own
        case Ingest():
            assert isinstance(found, IngestOutcome)
            return list(found.added.values()) == expected.answer
        case ReportResults():
            assert isinstance(found, list)
            return [Answer(outcome.code, outcome.status) for outcome in found] == expected.answer
        case LeaseJobs():
            assert isinstance(found, list)
            assert isinstance(expected.answer, list)
            jobs: list[Job] = expected.answer
            return [(json.loads(job.payload)["id"], job.attempt) for job in found] == [
                (job.item, job.attempt) for job in jobs
            ]
    return found == expected.answer

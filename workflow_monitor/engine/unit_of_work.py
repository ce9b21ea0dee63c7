"""Carrying out commands one after the other on what is loaded of the graph, to be stored in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import singledispatchmethod
from typing import TypeVar

from workflow_monitor.documents.footprints import footprint
from workflow_monitor.documents.scene_documents import parse_scene_data, parse_tile_data
from workflow_monitor.documents.strict_json import merge_patch
from workflow_monitor.domain import state_machine
from workflow_monitor.domain.commands import (
    Command,
    CreateAOI,
    DeleteAOI,
    DrainResults,
    ExpireLeases,
    FailItem,
    ForceStatus,
    Ingest,
    LeaseJobs,
    PreviewFail,
    PruneHistory,
    RenewLease,
    RenewLeases,
    ReportResults,
    RetryAOI,
    RetryItem,
    SetData,
)
from workflow_monitor.domain.errors import AOIExists, AOINotFound, ItemNotFound, LeaseNotFound, WorkflowError
from workflow_monitor.domain.glob import compile_pattern, is_pattern
from workflow_monitor.domain.models import AOI, Event, LeasedJob
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, Transition, WorkingSet
from workflow_monitor.engine import ingestion, prefetch
from workflow_monitor.queues.interfaces import JobQueue
from workflow_monitor.store.interfaces import NextIds, Payloads, Writer

Answer = TypeVar("Answer")

#: items kept loaded between batches; beyond that loading starts anew
MAX_CACHED_ITEMS = 200_000


class GraphCache:
    """What is known of the store in memory: the AOIs, the next numbers, and the loaded part of the graph.

    It is right as long as each transaction succeeds; after one that does not it has to be made anew.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        numbers: NextIds = writer.next_ids()
        self.next_aoi = numbers.aoi
        self.next_scene = numbers.scene
        self.next_tile = numbers.tile
        self.aois = {aoi.name: aoi for aoi in writer.aois()}
        self.aois_by_id = {aoi.id: aoi for aoi in self.aois.values()}
        self.working_set = WorkingSet(numbers.seq)

    def aoi(self, name: str) -> AOI:
        if name not in self.aois:
            raise AOINotFound(name)
        return self.aois[name]

    def match_aois(self, pattern: str) -> list[AOI]:
        """The AOIs that a name or pattern means, by name; AOINotFound if it is a name that is not there."""
        if not is_pattern(pattern):
            return [self.aoi(pattern)]
        matches = compile_pattern(pattern).matches
        return [aoi for name, aoi in sorted(self.aois.items()) if matches(name)]

    def load(self, wanted: NotLoaded) -> None:
        """Load what is wanted and not there yet, and the scenes of all tiles that come with it."""
        lacking = self.working_set.missing_from(wanted)
        loaders = (
            (lacking.tiles, self.writer.tiles),
            (lacking.tiles_of, self.writer.tiles_of),
            (lacking.followers_of, self.writer.followers_of),
            (lacking.referrers_of, self.writer.referrers_of),
        )
        tiles = [tile for ids, load in loaders if ids for tile in load(ids)]
        self.working_set.add_tiles(tiles)
        lacking.scenes |= self.working_set.missing_from(NotLoaded(scenes={tile.scene for tile in tiles})).scenes
        if lacking.scenes:
            self.working_set.add_scenes(self.writer.scenes(lacking.scenes))
        self.working_set.mark_loaded(lacking)

    def evict(self) -> None:
        """Start loading anew; what was changed has to be saved before."""
        who = self.working_set.actor
        self.working_set = WorkingSet(self.working_set.next_seq)
        self.working_set.actor = who


class UnitOfWork:
    """Commands that are stored together. `events` are what they leave in the log."""

    def __init__(self, graph: GraphCache, queue: JobQueue, now: datetime) -> None:
        self._graph = graph
        self._writer = graph.writer
        self._queue = queue
        self._now = now
        self._payloads = Payloads({}, {})
        self._names = ingestion.SceneIdIndex()
        self.events: list[Event] = []

    def prefetch(self, commands: Sequence[Command]) -> None:
        """Load at once what the commands are going to need, as far as that can be told."""
        for stage in prefetch.STAGES:
            self._graph.load(stage(self._graph.working_set, commands))
        self._names.look_up(self._graph, [command for command in commands if isinstance(command, Ingest)])

    def execute(self, command: Command, who: str) -> object:
        """Do what a command says, whole or not at all, and answer what it promises; WorkflowError."""
        self._graph.working_set.actor = who
        answer: object = self._do(command)
        return answer

    @singledispatchmethod
    def _do(self, command: object) -> object:
        raise TypeError(f"not a command: {type(command).__name__}")

    def save(self) -> None:
        """Write what the commands have done so far."""
        changes = self._graph.working_set.collect_changes()
        if not changes:
            return
        for number, workload in changes.workload.items():
            aoi = self._graph.aois_by_id[number]
            aoi.scenes.update(workload.scenes)
            aoi.tiles.update(workload.tiles)
            aoi.tiles_of_done_scenes.update(workload.tiles_of_done_scenes)
        aois = [self._graph.aois_by_id[number] for number in changes.workload]
        self._writer.save(changes, self._payloads, aois, self._now)
        self._queue.publish(changes.jobs, changes.withdrawn)
        self._payloads = Payloads({}, {})
        self.events += [self._event(change) for change in changes.log]

    def _event(self, change: Transition) -> Event:
        return Event(
            change.seq,
            self._now,
            self._graph.aois_by_id[change.aoi].name,
            change.kind,
            change.id,
            change.before,
            change.after,
            change.cause,
            change.actor,
            change.message,
            change.attempt,
            change.retries_left,
            change.previous,
            change.reference,
        )

    def _run_transition(self, transition: Callable[..., Answer], *arguments: object, **options: object) -> Answer:
        """Carry out a transition, loading what it turns out to need."""
        while True:
            try:
                with self._graph.working_set.savepoint():
                    return transition(self._graph.working_set, *arguments, **options)
            except NotLoaded as missing:
                self._graph.load(missing)

    # ---- AOIs

    @_do.register
    def _create(self, command: CreateAOI) -> None:
        graph = self._graph
        if command.name in graph.aois:
            raise AOIExists(command.name)
        aoi = AOI(graph.next_aoi, command.name)
        graph.next_aoi += 1
        self._writer.create_aoi(aoi.id, aoi.name, self._now)
        graph.aois[aoi.name] = graph.aois_by_id[aoi.id] = aoi
        self._log_aoi(aoi, Status.NEW, Cause.CREATE)

    @_do.register
    def _delete(self, command: DeleteAOI) -> None:
        aoi = self._graph.aoi(command.name)
        self.save()
        self._writer.delete_aoi(aoi.id)
        self._graph.evict()
        self._names = ingestion.SceneIdIndex()
        del self._graph.aois[aoi.name], self._graph.aois_by_id[aoi.id]
        self._log_aoi(aoi, None, Cause.DELETE)

    def _log_aoi(self, aoi: AOI, after: Status | None, cause: Cause) -> None:
        # what was done before it has to come before it in the log
        self.save()
        hood = self._graph.working_set
        event = Event(hood.allocate_seq(), self._now, aoi.name, "aoi", aoi.id, None, after, cause, hood.actor)
        self._writer.log_aoi(event)
        self.events.append(event)

    @_do.register
    def _retry_aoi(self, command: RetryAOI) -> tuple[int, int]:
        aois = self._graph.match_aois(command.pattern)
        self.save()
        statuses = [Status.RETRY, Status.PENDING] if command.force else [Status.RETRY]
        scenes, tiles = self._writer.items_in([aoi.id for aoi in aois], statuses)
        self._graph.load(NotLoaded(scenes=set(scenes), tiles=set(tiles)))
        self._graph.load(prefetch.previous_tiles(self._graph.working_set, tiles))
        self._run_transition(state_machine.retry_many, scenes, tiles, by_force=command.force)
        return len(scenes), len(tiles)

    # ---- scenes and tiles

    @_do.register
    def _ingest(self, command: Ingest) -> list[int]:
        growth = ingestion.plan(self._graph, self._names, command)
        self._graph.next_scene += len(growth.payloads.scenes)
        self._graph.next_tile += len(growth.payloads.tiles)
        for scene, tiles in growth.scenes:
            state_machine.ingest(self._graph.working_set, scene, tiles)
        self._payloads.scenes.update(growth.payloads.scenes)
        self._payloads.tiles.update(growth.payloads.tiles)
        self._names.add(growth.names)
        return [scene.id for scene, _ in growth.scenes]

    @_do.register
    def _report(self, command: ReportResults) -> list[state_machine.ResultOutcome]:
        return [self._run_transition(state_machine.apply_result, result) for result in command.results]

    @_do.register
    def _retry(self, command: RetryItem) -> None:
        self._run_transition(state_machine.retry, command.kind, command.id)

    @_do.register
    def _fail(self, command: FailItem) -> None:
        self._run_transition(state_machine.fail, command.kind, command.id, by_force=command.force)

    @_do.register
    def _foresee(self, command: PreviewFail) -> list[Transition]:
        return self._run_transition(state_machine.preview_fail, command.kind, command.id)

    @_do.register
    def _force(self, command: ForceStatus) -> None:
        self._run_transition(state_machine.force, command.kind, command.id, command.status)

    @_do.register
    def _set_data(self, command: SetData) -> None:
        self.save()
        text = self._writer.data(command.kind, command.id)
        if text is None:
            raise ItemNotFound(command.kind, command.id)
        fields = merge_patch(json.loads(text), command.data) if command.merge else command.data
        if command.kind is ItemKind.SCENE:
            data = parse_scene_data(fields, limits=command.limits)
            source_id = self._run_transition(state_machine.record_data_change, command.kind, command.id)
            self._writer.set_scene_data(command.id, data, footprint(source_id, data.geometry, None))
        else:
            self._writer.set_tile_data(command.id, parse_tile_data(fields))
            self._run_transition(state_machine.record_data_change, command.kind, command.id)

    # ---- jobs

    def lease(self, commands: Sequence[LeaseJobs]) -> list[list[LeasedJob] | WorkflowError]:
        """Give jobs to all who ask, at once: what their messages say is then looked up once. Or say why not."""
        self.save()
        aois: dict[str, Sequence[int]] = {}
        refusals = [self._look_up_aois(command.aoi, aois) for command in commands]
        granted = [command for command, refusal in zip(commands, refusals, strict=True) if refusal is None]
        jobs = iter(self._queue.lease(granted, self._now, aois) if granted else ())
        return [next(jobs) if refusal is None else refusal for refusal in refusals]

    def _look_up_aois(self, asked: str | None, found: dict[str, Sequence[int]]) -> WorkflowError | None:
        """Add the numbers of the AOIs that are asked for, or answer why there are none."""
        if asked is None or asked in found:
            return None
        try:
            found[asked] = [aoi.id for aoi in self._graph.match_aois(asked)]
        except WorkflowError as refusal:
            return refusal
        return None

    @_do.register
    def _renew(self, command: RenewLease) -> datetime:
        if self._renew_all(RenewLeases(command.queue, [command.lease], command.seconds)):
            raise LeaseNotFound(command.lease)
        return self._now + timedelta(seconds=command.seconds)

    @_do.register
    def _renew_all(self, command: RenewLeases) -> list[str]:
        self.save()
        renewed = set(self._queue.renew(command, self._now))
        return [lease for lease in command.leases if lease not in renewed]

    @_do.register
    def _expire(self, _: ExpireLeases) -> int:
        self.save()
        overdue = self._queue.expired_jobs(self._now)
        return sum(self._run_transition(state_machine.requeue_expired, job.kind, job.item, job.id) for job in overdue)

    @_do.register
    def _take_results(self, command: DrainResults) -> int:
        self.save()
        taken = self._queue.drain_results(command.limit)
        results = [result for result in taken if result is not None]
        self.prefetch([ReportResults(results)])
        for result in results:
            self._run_transition(state_machine.apply_result, result)
        return len(taken)

    @_do.register
    def _trim(self, command: PruneHistory) -> None:
        self.save()
        keep_events = None if command.events is None else self._now - timedelta(seconds=command.events)
        self._writer.prune(self._now - timedelta(seconds=command.jobs), keep_events)

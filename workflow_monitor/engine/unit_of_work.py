"""Run commands in order on the working set, and save their changes in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import singledispatchmethod
from typing import Concatenate, ParamSpec, TypeVar

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
    PruneHistory,
    RenewLease,
    RenewLeases,
    ReportResults,
    RetryAOI,
    RetryItem,
    SetData,
)
from workflow_monitor.domain.errors import AOIExists, ItemNotFound, LeaseNotFound, WorkflowError
from workflow_monitor.domain.models import AOI, Event, IngestOutcome, LeasedJob
from workflow_monitor.domain.status import QUEUE_KINDS, Cause, ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, Transition, WorkingSet
from workflow_monitor.engine import ingestion, prefetch
from workflow_monitor.engine.graph_cache import GraphCache
from workflow_monitor.engine.lease_clock import STEP
from workflow_monitor.queues.interfaces import JobQueue
from workflow_monitor.store.interfaces import Payloads

P = ParamSpec("P")
T = TypeVar("T")


class UnitOfWork:
    """Commands stored in one transaction; `events` are the log entries of the saved commands.

    `now` is the time of events, `lease_now` the time of leases; see `lease_clock`.
    """

    def __init__(self, graph: GraphCache, queue: JobQueue, now: datetime, lease_now: datetime) -> None:
        self._graph = graph
        self._writer = graph.writer
        self._queue = queue
        self._now = now
        self._lease_now = lease_now
        self._payloads = Payloads({}, {})
        self._names = ingestion.SceneIdIndex()
        self.events: list[Event] = []

    def prefetch(self, commands: Sequence[Command]) -> None:
        """Load the items that the commands are expected to read."""
        prefetch.prefetch(self._graph.working_set, self._writer, commands)
        self._names.look_up(self._graph, [command for command in commands if isinstance(command, Ingest)])

    def execute(self, command: Command, actor: str) -> object:
        """Run a command completely or not at all, and return its result; raise WorkflowError."""
        self._graph.working_set.actor = actor
        value: object = self._do(command)
        return value

    @singledispatchmethod
    def _do(self, command: object) -> object:
        raise TypeError(f"not a command: {type(command).__name__}")

    def save(self) -> None:
        """Write the changes of the commands run so far."""
        changes = self._graph.working_set.collect_changes()
        if not changes:
            return
        for aoi_id, workload in changes.workload.items():
            aoi = self._graph.aois_by_id[aoi_id]
            aoi.scenes.update(workload.scenes)
            aoi.tiles.update(workload.tiles)
            aoi.tiles_of_done_scenes.update(workload.tiles_of_done_scenes)
        aois = [self._graph.aois_by_id[aoi_id] for aoi_id in changes.workload]
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

    def _run_transition(
        self, transition: Callable[Concatenate[WorkingSet, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return prefetch.run(self._graph.working_set, self._writer, transition, *args, **kwargs)

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
        # earlier changes must precede this event in the log
        self.save()
        items = self._graph.working_set
        event = Event(items.allocate_seq(), self._now, aoi.name, "aoi", aoi.id, None, after, cause, items.actor)
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
    def _ingest(self, command: Ingest) -> IngestOutcome:
        plan = ingestion.plan_ingest(self._graph, self._names, command)
        self._graph.next_scene += len(plan.payloads.scenes)
        self._graph.next_tile += len(plan.payloads.tiles)
        for scene, tiles in plan.scenes:
            state_machine.ingest(self._graph.working_set, scene, tiles)
        self._payloads.scenes.update(plan.payloads.scenes)
        self._payloads.tiles.update(plan.payloads.tiles)
        self._names.add(plan.names)
        return plan.outcome()

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
            self._writer.set_tile_data(command.id, parse_tile_data(fields, limits=command.limits))
            self._run_transition(state_machine.record_data_change, command.kind, command.id)

    # ---- jobs

    def lease(self, commands: Sequence[LeaseJobs], actors: Sequence[str]) -> list[list[LeasedJob] | WorkflowError]:
        """Lease jobs to all commands in one batch, which loads the messages once; errors are returned, not raised."""
        self.save()
        aois: dict[str, Sequence[int]] = {}
        errors = [self._look_up_aois(command.aoi, aois) for command in commands]
        granted = [
            (command, actor) for command, actor, error in zip(commands, actors, errors, strict=True) if error is None
        ]
        leased = self._queue.lease([command for command, _ in granted], self._lease_now, aois) if granted else []
        self._log_leases([(command, actor, jobs) for (command, actor), jobs in zip(granted, leased, strict=True)])
        batches = iter(leased)
        return [self._by_wall_clock(next(batches)) if error is None else error for error in errors]

    def _by_wall_clock(self, jobs: list[LeasedJob]) -> list[LeasedJob]:
        """Convert the expiry times from the time of leases to the time of workers."""
        lead = self._now - self._lease_now
        return jobs if abs(lead) < STEP else [replace(job, expires=job.expires + lead) for job in jobs]

    def _log_leases(self, leases: Sequence[tuple[LeaseJobs, str, Sequence[LeasedJob]]]) -> None:
        """Log an event for each leased job, with the name of the worker as its message."""
        graph, request = self._graph.working_set, NotLoaded()
        for command, _, jobs in leases:
            kind = QUEUE_KINDS[command.queue]
            (request.scenes if kind is ItemKind.SCENE else request.tiles).update(job.item for job in jobs)
        prefetch.load(graph, self._writer, request)
        for command, actor, jobs in leases:
            graph.actor = actor
            for job in jobs:
                if (item := graph.item(QUEUE_KINDS[command.queue], job.item)) is not None:
                    graph.log_transition(item, item.status, Cause.LEASED, command.worker)

    def _look_up_aois(self, pattern: str | None, ids: dict[str, Sequence[int]]) -> WorkflowError | None:
        """Add the ids of the AOIs that match a pattern; return an error if none exists."""
        if pattern is None or pattern in ids:
            return None
        try:
            ids[pattern] = [aoi.id for aoi in self._graph.match_aois(pattern)]
        except WorkflowError as error:
            return error
        return None

    @_do.register
    def _renew(self, command: RenewLease) -> datetime:
        if self._renew_all(RenewLeases(command.queue, [command.lease], command.seconds)):
            raise LeaseNotFound(command.lease)
        return self._now + timedelta(seconds=command.seconds)

    @_do.register
    def _renew_all(self, command: RenewLeases) -> list[str]:
        self.save()
        renewed = set(self._queue.renew(command, self._lease_now))
        return [lease for lease in command.leases if lease not in renewed]

    @_do.register
    def _expire(self, _: ExpireLeases) -> int:
        self.save()
        expired = self._queue.expired_jobs(self._lease_now)
        return sum(self._run_transition(state_machine.requeue_expired, job.kind, job.item, job.id) for job in expired)

    @_do.register
    def _drain_results(self, command: DrainResults) -> int:
        self.save()
        drained = self._queue.drain_results(command.limit)
        results = [result for result in drained if result is not None]
        self.prefetch([ReportResults(results)])
        for result in results:
            self._run_transition(state_machine.apply_result, result)
        return len(drained)

    @_do.register
    def _prune(self, command: PruneHistory) -> None:
        self.save()
        now = self._now if command.now is None else min(self._now, command.now)
        keep_events = None if command.events is None else now - timedelta(seconds=command.events)
        self._writer.prune(now - timedelta(seconds=command.jobs), keep_events)

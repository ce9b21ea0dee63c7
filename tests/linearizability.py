"""Linearization of concurrent commands: replay on the reference model in the order of their events.

Every command has an actor name of its own, which its events carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import quote

from tests.concurrent_clients import Acknowledged, Connection, Crowd
from tests.engine_harness import item_of, job_of, snapshot_of
from tests.invariants import Replay
from tests.reference_model import DONE, FAILED, NEW, PENDING, RETRY, Item, Job, Key, Model, Refused
from workflow_monitor.domain.models import Event
from workflow_monitor.domain.status import QUEUE_KINDS, Cause, ItemKind, Status

_SERVER = "workflow-monitor"
_Step = tuple[Status | None, Status | None]
_ANY: set[_Step] = {(before, after) for before in Status for after in Status}
_SAME: set[_Step] = {(status, status) for status in Status}
#: transitions permitted for each cause; None is the status before the item exists
LEGAL: Mapping[Cause, set[_Step]] = {
    Cause.INGEST: {(None, NEW), (None, PENDING)},
    Cause.RESULT: {(PENDING, DONE), (PENDING, RETRY), (PENDING, FAILED), (RETRY, DONE), (RETRY, FAILED)},
    Cause.AUTOMATIC_RETRY: {(PENDING, PENDING)},
    Cause.READY: {(NEW, PENDING)},
    Cause.RETRY: {(RETRY, PENDING), (PENDING, PENDING)},
    Cause.FAIL: {(RETRY, FAILED)},
    Cause.FORCE: _ANY,
    Cause.DATA: _SAME,
    Cause.SCENE_FAILED: {(NEW, FAILED)},
    Cause.RELINKED: _SAME,
    Cause.LEASED: {(PENDING, PENDING)},
    Cause.LEASE_EXPIRED: {(PENDING, PENDING)},
}


def event_of(document: Mapping[str, Any]) -> Event:
    """Return the event of an event document."""
    before, after = (None if text is None else Status(text) for text in (document["from"], document["to"]))
    return Event(
        document["seq"],
        datetime.fromisoformat(document["time"]),
        document["aoi"],
        document["type"],
        document["id"],
        before,
        after,
        Cause(document["cause"]),
        document["who"],
        document["message"],
        document["attempt"],
        document["RetryCountDown"],
        document["PreviousID"],
        document["ReferenceID"],
    )


def illegal(events: Iterable[Event]) -> list[str]:
    """Return a message for each event with an illegal transition."""
    Replay().follow(events)  # raises for an event that does not continue the previous one
    return [
        f"event {event.seq}: {event.cause} leads {event.type} {event.id} from {event.before} to {event.after}"
        for event in events
        if event.type != "aoi" and (event.before, event.after) not in LEGAL[event.cause]
    ]


def replay(events: Sequence[Event], acknowledged: Sequence[Acknowledged]) -> Model:
    """Replay the commands on the model in the order of their events. Raises AssertionError for a difference."""
    commands = {command.actor: command for command in acknowledged}
    assert len(commands) == len(acknowledged)
    model, seen = Model(), set[str]()
    # The model has no leases, which change no state.
    changes = [event for event in events if event.cause is not Cause.LEASED]
    for actor, part in groupby(changes, key=lambda event: event.actor):
        group = list(part)
        if actor == _SERVER:
            for event in group:
                assert event.cause is Cause.LEASE_EXPIRED
                model.dispatch_again(ItemKind(event.type), event.id)
                check_step([event], model)
            continue
        assert actor not in seen, f"the events of {actor} are interleaved with events of other actors"
        assert actor in commands, f"{actor} left events, but its command was not acknowledged"
        seen.add(actor)
        _carry_out(commands[actor], model)
        check_step(group, model)
    silent = [command for command in acknowledged if command.leaves_event and command.actor not in seen]
    assert silent == [], "acknowledged commands without an event in the log"
    return model


def _carry_out(command: Acknowledged, model: Model) -> None:
    try:
        answer = command.carry_out(model)
    except Refused as refused:
        raise AssertionError(f"{command.text} was acknowledged; expected a refusal: {refused.codes}") from refused
    assert answer == command.answer, f"{command.text} returned {command.answer}, expected {answer}"


def check_step(events: Iterable[Event], model: Model) -> None:
    """Check that the last event of each item equals its state in the model."""
    for key, event in {(event.type, event.id): event for event in events if event.type != "aoi"}.items():
        item = model.items[Key(ItemKind(key[0]), key[1])]
        state = event.after, event.attempt, event.retries_left, event.previous, event.reference
        assert state == (item.status, item.attempt, item.countdown, item.previous, item.reference), (event, item)


def differences(connection: Connection, model: Model) -> list[str]:
    """Return the differences between a server and the model."""
    expected = snapshot_of(model)
    pairs: list[tuple[str, Mapping[Any, Any], Mapping[Any, Any]]] = [
        ("AOI", dict(_aois(connection)), {name: aoi[:3] for name, aoi in expected.aois.items()}),
        ("item", dict(_items(connection)), expected.items),
        ("job", dict.fromkeys(_jobs(connection), "to do"), dict.fromkeys(expected.current, "to do")),
    ]
    return [
        f"{name} {key}: found {actual.get(key)}, expected {modelled.get(key)}"
        for name, actual, modelled in pairs
        for key in {**actual, **modelled}
        if actual.get(key) != modelled.get(key)
    ]


def _got(connection: Connection, path: str) -> Any:
    status, answer = connection.ask("GET", path)
    assert status == 200, answer
    return answer


def _aois(connection: Connection) -> Iterator[tuple[str, Any]]:
    for aoi in _got(connection, "/aoi/?counts=true"):
        yield aoi["ID"], (Status(aoi["status"]), *(_there(aoi[of]) for of in ("scenes", "tiles")))


def _there(counts: Mapping[str, int]) -> dict[Status, int]:
    return {status: counts[status.lower()] for status in Status if counts[status.lower()]}


def _items(connection: Connection) -> Iterator[tuple[Key, Item]]:
    for kind in ItemKind:
        for document in _got(connection, f"/aoi/*/{kind}s"):
            item = item_of(kind, document)
            yield Key(kind, item.id), item


def _jobs(connection: Connection) -> Iterator[Job]:
    for queue, kind in QUEUE_KINDS.items():
        for job in _got(connection, f"/jobs/{queue}")["jobs"]:
            if job["state"] != "withdrawn":
                yield job_of(kind, job["attempt"], job["payload"])


def strange_histories(connection: Connection, events: Sequence[Event]) -> list[str]:
    """Return the AOIs with a history that differs from the events of their streams."""
    aois = []
    for aoi in [aoi["ID"] for aoi in _got(connection, "/aoi/")]:
        listed = [event_of(document) for document in _got(connection, f"/aoi/{quote(aoi, safe='')}/history")]
        followed = [event for event in events if event.aoi == aoi]
        created = max(index for index, event in enumerate(followed) if event.cause is Cause.CREATE)
        if listed != followed[created:]:
            aois.append(aoi)
    return aois


def taken_twice(crowd: Crowd, model: Model) -> list[object]:
    """Return the jobs leased to two workers, and the leased jobs that the model never created."""
    jobs = {(job.kind, job.item, job.attempt) for job in model.jobs}
    strange: list[object] = [job for queue, _, *job in crowd.jobs if (QUEUE_KINDS[queue], *job) not in jobs]
    keys = [(queue, job_id) for queue, job_id, *_ in crowd.jobs]
    return strange + [key for key in set(keys) if keys.count(key) > 1]

"""State machine of scenes and tiles.

`TRANSITIONS` lists every permitted transition. The functions below it look a row up, check its guards and run its
effect; a combination of kind, status and trigger without a row is refused. `docs/state-machine.md` explains the
table and is generated from it.

Effects and guards read neighbours through the working set only. Callers run each public function within
`WorkingSet.savepoint`, so that a refused command leaves no change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from workflow_monitor.domain.errors import InvalidTransition, ItemNotFound
from workflow_monitor.domain.models import Item, Job, Result, Scene, Tile
from workflow_monitor.domain.status import Cause, ItemKind, Status
from workflow_monitor.domain.working_set import WorkingSet


class Trigger(StrEnum):
    """Command, result or neighbour's transition that starts a transition."""

    INGEST = "ingest"
    RESULT_DONE = "result DONE"
    RESULT_RETRY = "result RETRY, retries left"
    RESULT_RETRY_EXHAUSTED = "result RETRY, none left"
    RESULT_FAILED = "result FAILED"
    RETRY = "retry"
    FAIL = "fail"
    FORCE_NEW = "force NEW"
    FORCE_PENDING = "force PENDING"
    FORCE_DONE = "force DONE"
    FORCE_RETRY = "force RETRY"
    FORCE_FAILED = "force FAILED, fail/force"
    LEASE_EXPIRED = "lease expired"
    SCENE_DONE = "scene DONE"
    SCENE_FAILED = "scene FAILED"
    PREVIOUS_DONE = "previous tile DONE, or relinked"


class Guard(StrEnum):
    """Condition of a transition."""

    SCENE_DONE = "scene is done"
    PREVIOUS_DONE = "previous is done"
    TILES_NEW = "tiles are new"
    FOLLOWERS_NEW = "followers are new"
    PREVIOUS_OPEN = "previous can be followed"


class Effect(StrEnum):
    """Changes of a transition to the item and its neighbours."""

    SET_STATUS = "set status"
    DISPATCH = "dispatch"
    DISPATCH_RETRY = "dispatch retry"
    DISPATCH_CREATED = "dispatch created"
    DISPATCH_ROOT = "dispatch root"
    COMPLETE_SCENE = "complete scene"
    COMPLETE_TILE = "complete tile"
    FAIL_SCENE = "fail scene"
    FAIL_TILE = "fail tile"


@dataclass(frozen=True, slots=True)
class Rule:
    """Row of `TRANSITIONS`, for each of its `kinds` and `statuses`."""

    kinds: tuple[ItemKind, ...]
    statuses: tuple[Status, ...]
    trigger: Trigger
    guards: tuple[Guard, ...]
    next: Status
    cause: Cause
    effect: Effect


NEW, PENDING, DONE, RETRY, FAILED = Status.NEW, Status.PENDING, Status.DONE, Status.RETRY, Status.FAILED
SCENE, TILE, BOTH = (ItemKind.SCENE,), (ItemKind.TILE,), (ItemKind.SCENE, ItemKind.TILE)
ANY = (NEW, PENDING, DONE, RETRY, FAILED)
FOLLOWING = (Guard.PREVIOUS_DONE,)
READY = (Guard.SCENE_DONE, Guard.PREVIOUS_DONE)
RELINKABLE = (Guard.FOLLOWERS_NEW, Guard.PREVIOUS_OPEN)

TRANSITIONS: tuple[Rule, ...] = (
    # from ingestion
    Rule(SCENE, (NEW,), Trigger.INGEST, (), PENDING, Cause.INGEST, Effect.DISPATCH_CREATED),
    # from a neighbour
    Rule(TILE, (NEW,), Trigger.SCENE_DONE, READY, PENDING, Cause.READY, Effect.DISPATCH_ROOT),
    Rule(TILE, (NEW,), Trigger.PREVIOUS_DONE, READY, PENDING, Cause.READY, Effect.DISPATCH),
    Rule(TILE, (NEW,), Trigger.SCENE_FAILED, RELINKABLE, FAILED, Cause.SCENE_FAILED, Effect.FAIL_TILE),
    # from a worker
    Rule(SCENE, (PENDING, RETRY), Trigger.RESULT_DONE, (), DONE, Cause.RESULT, Effect.COMPLETE_SCENE),
    Rule(TILE, (PENDING, RETRY), Trigger.RESULT_DONE, (), DONE, Cause.RESULT, Effect.COMPLETE_TILE),
    Rule(BOTH, (PENDING,), Trigger.RESULT_RETRY, FOLLOWING, PENDING, Cause.AUTOMATIC_RETRY, Effect.DISPATCH_RETRY),
    Rule(BOTH, (PENDING,), Trigger.RESULT_RETRY_EXHAUSTED, (), RETRY, Cause.RESULT, Effect.SET_STATUS),
    Rule(SCENE, (PENDING, RETRY), Trigger.RESULT_FAILED, (Guard.TILES_NEW,), FAILED, Cause.RESULT, Effect.FAIL_SCENE),
    Rule(TILE, (PENDING, RETRY), Trigger.RESULT_FAILED, RELINKABLE, FAILED, Cause.RESULT, Effect.FAIL_TILE),
    Rule(BOTH, (PENDING,), Trigger.LEASE_EXPIRED, (), PENDING, Cause.LEASE_EXPIRED, Effect.DISPATCH),
    # from a user or a script
    Rule(SCENE, (RETRY,), Trigger.RETRY, (), PENDING, Cause.RETRY, Effect.DISPATCH_RETRY),
    Rule(TILE, (RETRY,), Trigger.RETRY, READY, PENDING, Cause.RETRY, Effect.DISPATCH_RETRY),
    Rule(SCENE, (RETRY,), Trigger.FAIL, (Guard.TILES_NEW,), FAILED, Cause.FAIL, Effect.FAIL_SCENE),
    Rule(TILE, (RETRY,), Trigger.FAIL, RELINKABLE, FAILED, Cause.FAIL, Effect.FAIL_TILE),
    Rule(BOTH, ANY, Trigger.FORCE_NEW, (), NEW, Cause.FORCE, Effect.SET_STATUS),
    Rule(BOTH, ANY, Trigger.FORCE_PENDING, FOLLOWING, PENDING, Cause.FORCE, Effect.DISPATCH_RETRY),
    Rule(SCENE, ANY, Trigger.FORCE_DONE, (), DONE, Cause.FORCE, Effect.COMPLETE_SCENE),
    Rule(TILE, ANY, Trigger.FORCE_DONE, (), DONE, Cause.FORCE, Effect.COMPLETE_TILE),
    Rule(BOTH, ANY, Trigger.FORCE_RETRY, (), RETRY, Cause.FORCE, Effect.SET_STATUS),
    Rule(SCENE, ANY, Trigger.FORCE_FAILED, (Guard.TILES_NEW,), FAILED, Cause.FORCE, Effect.FAIL_SCENE),
    Rule(TILE, ANY, Trigger.FORCE_FAILED, RELINKABLE, FAILED, Cause.FORCE, Effect.FAIL_TILE),
)

_RULES: Mapping[tuple[ItemKind, Status, Trigger], Rule] = {
    (kind, status, rule.trigger): rule for rule in TRANSITIONS for kind in rule.kinds for status in rule.statuses
}


# ---- guards: return the reason for a refusal, None to permit


def scene_is_done(graph: WorkingSet, item: Item) -> str | None:
    """Require a DONE scene."""
    if isinstance(item, Scene) or (scene := graph.scene_of(item)).status is Status.DONE:
        return None
    return f"The scene {scene.id} of tile {item.id} is {scene.status}; it must be DONE first."


def previous_is_done(graph: WorkingSet, item: Item) -> str | None:
    """Require a DONE previous tile, if the tile has one."""
    previous = graph.previous_of(item) if isinstance(item, Tile) else None
    if previous is None or previous.status is Status.DONE:
        return None
    return f"The tile {previous.id} before tile {item.id} is {previous.status}; it must be DONE first."


def tiles_are_new(graph: WorkingSet, item: Item) -> str | None:
    """Require that no tile of the scene has started."""
    tiles = graph.tiles_of(item) if isinstance(item, Scene) else []
    started = next((tile for tile in tiles if tile.status is not Status.NEW), None)
    if started is None:
        return None
    return (
        f"The tile {started.id} of scene {item.id} is {started.status}; a scene can only be failed "
        "while all its tiles are NEW."
    )


def followers_are_new(graph: WorkingSet, item: Item) -> str | None:
    """Require that no follower has started."""
    followers = graph.followers_of(item) if isinstance(item, Tile) else []
    started = next((follower for follower in followers if follower.status is not Status.NEW), None)
    if started is None:
        return None
    return (
        f"The tile {started.id} that follows tile {item.id} is {started.status}; a tile can only be failed "
        "while all that follow it are NEW."
    )


def previous_can_be_followed(graph: WorkingSet, item: Item) -> str | None:
    """Require a previous tile to which followers may be relinked: neither the tile nor its scene is FAILED."""
    previous = graph.previous_of(item) if isinstance(item, Tile) else None
    if previous is None or isinstance(item, Scene):
        return None
    if previous.status is Status.FAILED:
        return f"The tile {previous.id} before tile {item.id} is FAILED; none can follow it."
    scene = graph.scene_of(previous)
    if scene.status is Status.FAILED and scene.id != item.scene:
        return f"The scene {scene.id} of the tile before tile {item.id} is FAILED; none can follow it."
    return None


# ---- effects


def set_status(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Set the status and cancel the job; keep the message unless a new one is passed or the item is DONE."""
    before = item.status
    graph.cancel_job(item.job)
    kept = "" if rule.next is Status.DONE else item.message if message is None else message
    graph.set(item, status=rule.next, message=kept, job=None)
    graph.log_transition(item, before, rule.cause, message)


def dispatch(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Enqueue a job without using up a retry."""
    _dispatch(graph, item, rule, message, before=item.status)


def dispatch_retry(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Enqueue a job and use up a retry."""
    _dispatch(graph, item, rule, message, before=item.status, cost=1)


def dispatch_created(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Enqueue the first job of a new scene; the log shows no earlier status."""
    _dispatch(graph, item, rule, message, before=None)


def dispatch_root(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Enqueue a job; that of a tile without previous tile names no reference tile either."""
    is_root = isinstance(item, Tile) and item.previous is None
    _dispatch(graph, item, rule, message, before=item.status, omit_reference=is_root)


def complete_scene(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Set the status and start the tiles of the scene that are ready."""
    scene = _scene(item)
    set_status(graph, item, rule, message or "")
    for tile in graph.tiles_of(scene):
        _fire_if_permitted(graph, tile, Trigger.SCENE_DONE)


def complete_tile(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Set the status and start the followers that are ready."""
    tile = _tile(item)
    set_status(graph, item, rule, message or "")
    for follower in graph.followers_of(tile):
        _fire_if_permitted(graph, follower, Trigger.PREVIOUS_DONE)


def fail_scene(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Set the status and fail the tiles of the scene."""
    scene = _scene(item)
    set_status(graph, item, rule, message)
    for tile in graph.tiles_of(scene):
        _fire(graph, tile, Trigger.SCENE_FAILED)


def fail_tile(graph: WorkingSet, item: Item, rule: Rule, message: str | None) -> None:
    """Set the status, relink followers and referrers, and start the followers that are ready."""
    tile = _tile(item)
    followers, referrers = graph.followers_of(tile), graph.referrers_of(tile)
    previous = tile.previous
    graph.set(item, previous=None)
    set_status(graph, item, rule, message)
    for follower in followers:
        graph.set(follower, previous=previous)
    _reassign_reference(graph, tile, followers, referrers)
    # by id: a tile that both follows and refers to the failed one leaves one event
    relinked = {other.id: other for other in (*referrers, *followers)}
    for _, other in sorted(relinked.items()):
        graph.log_transition(other, other.status, Cause.RELINKED)
    for follower in followers:
        _fire_if_permitted(graph, follower, Trigger.PREVIOUS_DONE)


# ---- transitions

_GUARDS: Mapping[Guard, Callable[[WorkingSet, Item], str | None]] = {
    Guard.SCENE_DONE: scene_is_done,
    Guard.PREVIOUS_DONE: previous_is_done,
    Guard.TILES_NEW: tiles_are_new,
    Guard.FOLLOWERS_NEW: followers_are_new,
    Guard.PREVIOUS_OPEN: previous_can_be_followed,
}
_EFFECTS: Mapping[Effect, Callable[[WorkingSet, Item, Rule, str | None], None]] = {
    Effect.SET_STATUS: set_status,
    Effect.DISPATCH: dispatch,
    Effect.DISPATCH_RETRY: dispatch_retry,
    Effect.DISPATCH_CREATED: dispatch_created,
    Effect.DISPATCH_ROOT: dispatch_root,
    Effect.COMPLETE_SCENE: complete_scene,
    Effect.COMPLETE_TILE: complete_tile,
    Effect.FAIL_SCENE: fail_scene,
    Effect.FAIL_TILE: fail_tile,
}

#: Messages for a status without a row.
_REFUSALS: Mapping[Trigger, str] = {
    Trigger.RETRY: (
        "The {kind} {id} is {status}; only from RETRY can it be tried again. "
        "PUT /{kind}/{id}/force/PENDING dispatches it from any status."
    ),
    Trigger.FAIL: (
        "The {kind} {id} is {status}; only from RETRY can it be failed. "
        "PUT /{kind}/{id}/fail/force fails it from any status."
    ),
}
_AWAITS_NO_RESULT = "The {kind} is {status}; it awaits no result."


def _fire(graph: WorkingSet, item: Item, trigger: Trigger, message: str | None = None) -> None:
    rule = _RULES.get((item.kind, item.status, trigger))
    if rule is None:
        text = _REFUSALS.get(trigger, _AWAITS_NO_RESULT)
        raise InvalidTransition(text.format(kind=item.kind, id=item.id, status=item.status))
    for guard in rule.guards:
        if reason := _GUARDS[guard](graph, item):
            raise InvalidTransition(reason)
    _EFFECTS[rule.effect](graph, item, rule, message)


def unmet_start_guards(graph: WorkingSet, tile: Tile) -> list[Guard]:
    """Return the guards that keep a NEW tile from starting."""
    rule = _RULES[ItemKind.TILE, Status.NEW, Trigger.SCENE_DONE]
    return [guard for guard in rule.guards if _GUARDS[guard](graph, tile)]


def _fire_if_permitted(graph: WorkingSet, item: Item, trigger: Trigger) -> None:
    rule = _RULES.get((item.kind, item.status, trigger))
    if rule is not None and not any(_GUARDS[guard](graph, item) for guard in rule.guards):
        _EFFECTS[rule.effect](graph, item, rule, None)


# ---- commands


@dataclass(frozen=True, slots=True)
class ResultOutcome:
    """Outcome of a result: `code` is `applied`, `unchanged`, `refused`, `stale` or `unknown`, with the reason."""

    kind: str
    id: int
    code: str
    #: current status of the item; None if the item does not exist
    status: Status | None
    reason: str = ""


def apply_result(graph: WorkingSet, result: Result) -> ResultOutcome:
    """Apply the result of a worker if the item awaits one; return the outcome instead of raising."""
    item = graph.item(result.kind, result.id)

    def outcome(code: str, reason: str = "") -> ResultOutcome:
        return ResultOutcome(result.kind, result.id, code, item.status if item else None, reason)

    if item is None:
        return outcome("unknown", f"There is no {result.kind} with the id {result.id}.")
    if result.attempt is not None and result.attempt != item.attempt:
        if result.attempt < item.attempt:
            return outcome("stale", f"It answers for attempt {result.attempt}; the present one is {item.attempt}.")
        return outcome("refused", f"There was no attempt {result.attempt}; the present one is {item.attempt}.")
    if result.status is item.status:
        return outcome("unchanged", f"The {result.kind} is {item.status} already.")
    try:
        with graph.savepoint():
            _fire(graph, item, _trigger_of_result(item, result), result.message)
    except InvalidTransition as conflict:
        return outcome("refused", conflict.detail)
    return outcome("applied")


def _trigger_of_result(item: Item, result: Result) -> Trigger:
    match result.status:
        case Status.DONE:
            return Trigger.RESULT_DONE
        case Status.RETRY:
            return Trigger.RESULT_RETRY if item.retries_left > 0 else Trigger.RESULT_RETRY_EXHAUSTED
        case Status.FAILED:
            return Trigger.RESULT_FAILED
        case _:
            raise InvalidTransition(f"A worker cannot report {result.status}.")


def retry(graph: WorkingSet, kind: ItemKind, item_id: int) -> None:
    """Dispatch an item in RETRY again; raise ItemNotFound or InvalidTransition."""
    _fire(graph, _get_or_raise(graph, kind, item_id), Trigger.RETRY)


def fail(graph: WorkingSet, kind: ItemKind, item_id: int, *, by_force: bool) -> None:
    """Fail an item from RETRY or, by force, from any status; raise ItemNotFound or InvalidTransition."""
    _fire(graph, _get_or_raise(graph, kind, item_id), Trigger.FORCE_FAILED if by_force else Trigger.FAIL)


_FORCE: Mapping[Status, Trigger] = {
    Status.NEW: Trigger.FORCE_NEW,
    Status.PENDING: Trigger.FORCE_PENDING,
    Status.DONE: Trigger.FORCE_DONE,
    Status.RETRY: Trigger.FORCE_RETRY,
    Status.FAILED: Trigger.FORCE_FAILED,
}


def force(graph: WorkingSet, kind: ItemKind, item_id: int, status: Status) -> None:
    """Set the status of an item with its effects; raise ItemNotFound or InvalidTransition."""
    _fire(graph, _get_or_raise(graph, kind, item_id), _FORCE[status])


def retry_many(graph: WorkingSet, scenes: Iterable[int], tiles: Iterable[int], *, by_force: bool) -> None:
    """Dispatch items again, scenes first, in the given order; raise InvalidTransition unless all can be retried."""
    refusals: list[str] = []
    for kind, ids in ((ItemKind.SCENE, scenes), (ItemKind.TILE, tiles)):
        for item_id in ids:
            try:
                _fire(graph, _get_or_raise(graph, kind, item_id), Trigger.FORCE_PENDING if by_force else Trigger.RETRY)
            except InvalidTransition as conflict:
                refusals.append(conflict.detail)
    if refusals:
        more = f" And {len(refusals) - 3} more." if len(refusals) > 3 else ""
        raise InvalidTransition(f"Nothing was retried, since not all can be: {' '.join(refusals[:3])}{more}")


def requeue_expired(graph: WorkingSet, kind: ItemKind, item_id: int, job: int) -> bool:
    """Dispatch an item again after its lease expired; return False if the job is no longer current."""
    item = graph.item(kind, item_id)
    if item is None or item.job != job:
        return False
    _fire(graph, item, Trigger.LEASE_EXPIRED)
    return True


def record_data_change(graph: WorkingSet, kind: ItemKind, item_id: int) -> str:
    """Log a change of an item's data, and return its source id; raise ItemNotFound."""
    item = _get_or_raise(graph, kind, item_id)
    graph.log_transition(item, item.status, Cause.DATA)
    return item.source_id


def ingest(graph: WorkingSet, scene: Scene, tiles: Iterable[Tile]) -> None:
    """Add a scene with its tiles, whose links the caller has checked, and dispatch the scene."""
    graph.create(scene)
    for tile in tiles:
        graph.create(tile)
        graph.log_transition(tile, None, Cause.INGEST)
    _fire(graph, scene, Trigger.INGEST)


# ---- shared steps


def _scene(item: Item) -> Scene:
    if isinstance(item, Scene):
        return item
    raise TypeError(f"the rule is for scenes, not for tile {item.id}")


def _tile(item: Item) -> Tile:
    if isinstance(item, Tile):
        return item
    raise TypeError(f"the rule is for tiles, not for scene {item.id}")


def _get_or_raise(graph: WorkingSet, kind: ItemKind, item_id: int) -> Item:
    item = graph.item(kind, item_id)
    if item is None:
        raise ItemNotFound(kind, item_id)
    return item


def _dispatch(
    graph: WorkingSet,
    item: Item,
    rule: Rule,
    message: str | None,
    *,
    before: Status | None,
    cost: int = 0,
    omit_reference: bool = False,
) -> None:
    """Set the status and enqueue a job; `cost` is the count of retries used up."""
    graph.cancel_job(item.job)
    graph.set(
        item,
        status=rule.next,
        message="",
        retries_left=item.retries_left - cost,
        attempt=item.attempt + 1,
        job=None,
    )
    job_id = graph.log_transition(item, before, rule.cause, message)
    graph.set(item, job=job_id)
    previous = item.previous if isinstance(item, Tile) else None
    reference = item.reference if isinstance(item, Tile) and not omit_reference else None
    graph.enqueue_job(Job(job_id, item.kind, item.id, item.aoi, item.attempt, previous, reference))


def _reassign_reference(graph: WorkingSet, tile: Tile, followers: list[Tile], referrers: list[Tile]) -> None:
    """Make the first follower, or else the first referrer, the reference of the other referrers."""
    successors = followers or [other for other in referrers if other.status is not Status.FAILED]
    successor = successors[0] if successors else None
    for other in referrers:
        reference = tile.reference if successor is None or other is successor else successor.id
        # in a chain whose tiles refer to each other, the reference may lead back to the successor itself
        graph.set(other, reference=None if reference == other.id else reference)

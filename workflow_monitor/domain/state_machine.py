"""The state machine: what becomes of scenes and tiles when a worker reports or a person intervenes.

A scene is handed to a downloader as soon as it is ingested. When it is DONE its tiles start, each after the
tile before it; when a tile is DONE those that follow it start. What fails for good is taken out of the
graph, which closes over it. Two rules hold everything together:

- **Start**: a NEW tile becomes PENDING once its scene is DONE and its previous tile, if it has one, is DONE.
- **Hand-over**: when a tile fails, those that follow it follow the one before it. If others refer to
  it, the first of its followers takes its place as their reference.

PENDING always means that a job is out: `_dispatch` is the only way into it, and every way out of it withdraws the job.

All that changes something is to be called within `Neighbourhood.attempt`, so that what is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workflow_monitor.domain.errors import InvalidTransition, ItemNotFound
from workflow_monitor.domain.models import Item, Job, Result, Scene, Tile
from workflow_monitor.domain.status import AWAITING_RESULT, Cause, ItemKind, Status
from workflow_monitor.domain.working_set import NotLoaded, Transition, WorkingSet


@dataclass(frozen=True, slots=True)
class ResultOutcome:
    """What became of a result: `applied`, `unchanged`, `refused`, `stale` or `unknown`, and why."""

    kind: str
    id: int
    code: str
    #: of the item now; None if there is no such item
    status: Status | None
    reason: str = ""


# ---- results of workers


def apply_result(hood: WorkingSet, result: Result) -> ResultOutcome:
    """Apply the result of a worker, if the item still waits for it."""
    item = hood.item(result.kind, result.id)

    def outcome(word: str, reason: str = "") -> ResultOutcome:
        return ResultOutcome(result.kind, result.id, word, item.status if item else None, reason)

    if item is None:
        return outcome("unknown", f"There is no {result.kind} with the id {result.id}.")
    if result.attempt is not None and result.attempt != item.attempt:
        if result.attempt < item.attempt:
            return outcome("stale", f"It answers for attempt {result.attempt}; the present one is {item.attempt}.")
        return outcome("refused", f"There was no attempt {result.attempt}; the present one is {item.attempt}.")
    if result.status is item.status:
        return outcome("unchanged", f"The {result.kind} is {item.status} already.")
    if item.status not in AWAITING_RESULT:
        return outcome("refused", f"The {result.kind} is {item.status}; it awaits no result.")
    try:
        with hood.savepoint():
            _apply(hood, item, result)
    except InvalidTransition as conflict:
        return outcome("refused", conflict.detail)
    return outcome("applied")


def _apply(hood: WorkingSet, item: Item, result: Result) -> None:
    match result.status:
        case Status.DONE:
            _done(hood, item, Cause.RESULT, result.message)
        case Status.FAILED:
            _fail(hood, item, Cause.RESULT, result.message)
        case Status.RETRY if item.retries_left > 0:
            _check_previous(hood, item)
            _dispatch(hood, item, Cause.AUTOMATIC_RETRY, cost=1, message=result.message)
        case Status.RETRY:
            _set_status(hood, item, Status.RETRY, Cause.RESULT, message=result.message)
        case _:
            raise InvalidTransition(f"A worker cannot report {result.status}.")


# ---- interventions of people and scripts


def retry(hood: WorkingSet, kind: ItemKind, number: int) -> None:
    """Hand an item in RETRY out again; a tile only when its scene and the tile before it are DONE."""
    item = _get_or_raise(hood, kind, number)
    if item.status is not Status.RETRY:
        raise InvalidTransition(
            f"The {kind} {number} is {item.status}; only from RETRY can it be tried again. "
            f"PUT /{kind}/{number}/force/PENDING hands it out from any status."
        )
    if isinstance(item, Tile):
        scene = hood.scene_of(item)
        if scene.status is not Status.DONE:
            raise InvalidTransition(f"The scene {scene.id} of tile {number} is {scene.status}; it must be DONE first.")
    _check_previous(hood, item)
    _dispatch(hood, item, Cause.RETRY, cost=1)


def fail(hood: WorkingSet, kind: ItemKind, number: int, *, by_force: bool) -> None:
    """Give an item up: from RETRY or, by force, from anywhere."""
    item = _get_or_raise(hood, kind, number)
    if item.status is not Status.RETRY and not by_force:
        raise InvalidTransition(
            f"The {kind} {number} is {item.status}; only from RETRY can it be failed. "
            f"PUT /{kind}/{number}/fail/force fails it from any status."
        )
    _fail(hood, item, Cause.FORCE if by_force else Cause.FAIL)


def preview_fail(hood: WorkingSet, kind: ItemKind, number: int) -> list[Transition]:
    """What giving an item up by force would leave in the log; nothing is done."""
    with hood.dry_run() as changes:
        fail(hood, kind, number, by_force=True)
    return changes


def force(hood: WorkingSet, kind: ItemKind, number: int, status: Status) -> None:
    """Set the status of an item, with what follows from being DONE, PENDING or FAILED."""
    item = _get_or_raise(hood, kind, number)
    match status:
        case Status.DONE:
            _done(hood, item, Cause.FORCE)
        case Status.FAILED:
            _fail(hood, item, Cause.FORCE)
        case Status.PENDING:
            _check_previous(hood, item)
            _dispatch(hood, item, Cause.FORCE, cost=1)
        case Status.NEW | Status.RETRY:
            _set_status(hood, item, status, Cause.FORCE)


def retry_many(hood: WorkingSet, scenes: Iterable[int], tiles: Iterable[int], *, by_force: bool) -> None:
    """Hand out all these again, scenes first, in the given order; all or none."""
    refused: list[str] = []
    for kind, number in [(ItemKind.SCENE, n) for n in scenes] + [(ItemKind.TILE, n) for n in tiles]:
        try:
            if by_force:
                force(hood, kind, number, Status.PENDING)
            else:
                retry(hood, kind, number)
        except InvalidTransition as conflict:
            refused.append(conflict.detail)
    if refused:
        more = f" And {len(refused) - 3} more." if len(refused) > 3 else ""
        raise InvalidTransition(f"Nothing was retried, since not all can be: {' '.join(refused[:3])}{more}")


def requeue_expired(hood: WorkingSet, kind: ItemKind, number: int, job: int) -> bool:
    """Hand an item out anew whose worker has not answered in time; False if it has moved on meanwhile."""
    item = hood.item(kind, number)
    if item is None or item.job != job:
        return False
    _dispatch(hood, item, Cause.LEASE_EXPIRED)
    return True


def record_data_change(hood: WorkingSet, kind: ItemKind, number: int) -> str:
    """Leave in the log that the data of an item are changed, which changes nothing here; answers its source id."""
    item = _get_or_raise(hood, kind, number)
    hood.log_transition(item, item.status, Cause.DATA)
    return item.source_id


# ---- the graph grows


def ingest(hood: WorkingSet, scene: Scene, tiles: Iterable[Tile]) -> None:
    """Add a scene with its tiles, whose links have been checked, and hand the scene out."""
    hood.create(scene)
    for tile in tiles:
        hood.create(tile)
        hood.log_transition(tile, None, Cause.INGEST)
    _dispatch(hood, scene, Cause.INGEST, is_new=True)


# ---- the rules


def _get_or_raise(hood: WorkingSet, kind: ItemKind, number: int) -> Item:
    item = hood.item(kind, number)
    if item is None:
        raise ItemNotFound(kind, number)
    return item


def _check_previous(hood: WorkingSet, item: Item) -> None:
    previous = hood.previous_of(item) if isinstance(item, Tile) else None
    if previous is not None and previous.status is not Status.DONE:
        raise InvalidTransition(
            f"The tile {previous.id} before tile {item.id} is {previous.status}; it must be DONE first."
        )


def _dispatch(
    hood: WorkingSet,
    item: Item,
    cause: Cause,
    *,
    cost: int = 0,
    message: str | None = None,
    as_root: bool = False,
    is_new: bool = False,
) -> None:
    """Make an item PENDING and publish its job; `cost` are the retries that it takes."""
    before = None if is_new else item.status
    hood.cancel_job(item.job)
    hood.set(
        item,
        status=Status.PENDING,
        message="",
        retries_left=item.retries_left - cost,
        attempt=item.attempt + 1,
        job=None,
    )
    number = hood.log_transition(item, before, cause, message)
    hood.set(item, job=number)
    previous = item.previous if isinstance(item, Tile) else None
    reference = item.reference if isinstance(item, Tile) and not as_root else None
    hood.enqueue_job(Job(number, item.kind, item.id, item.aoi, item.attempt, previous, reference))


def _set_status(
    hood: WorkingSet, item: Item, status: Status, cause: Cause, message: str | None = None, *, keep: bool = True
) -> None:
    """Give an item a status other than PENDING; its message is kept if there is no new one and `keep` says so."""
    before = item.status
    hood.cancel_job(item.job)
    kept = (item.message if message is None else message) if keep else ""
    hood.set(item, status=status, message=kept, job=None)
    hood.log_transition(item, before, cause, message)


def _done(hood: WorkingSet, item: Item, cause: Cause, message: str | None = None) -> None:
    if isinstance(item, Scene):
        waiting = hood.tiles_of(item)
        hood.ensure_loaded(NotLoaded(tiles={tile.previous for tile in waiting if tile.previous is not None}))
    else:
        waiting = hood.followers_of(item)
        hood.ensure_loaded(NotLoaded(scenes={tile.scene for tile in waiting}))
    _set_status(hood, item, Status.DONE, cause, message or "", keep=False)
    for tile in waiting:
        _start_if_ready(hood, tile, as_root=isinstance(item, Scene) and tile.previous is None)


def _start_if_ready(hood: WorkingSet, tile: Tile, *, as_root: bool = False) -> None:
    """The start rule. A tile that its scene starts without a previous tile is a root: its job names no reference."""
    if tile.status is not Status.NEW or hood.scene_of(tile).status is not Status.DONE:
        return
    previous = hood.previous_of(tile)
    if previous is None or previous.status is Status.DONE:
        _dispatch(hood, tile, Cause.READY, as_root=as_root)


def _fail(hood: WorkingSet, item: Item, cause: Cause, message: str | None = None) -> None:
    if isinstance(item, Tile):
        _fail_tile(hood, item, cause, message)
        return
    tiles = hood.tiles_of(item)
    started = next((tile for tile in tiles if tile.status is not Status.NEW), None)
    if started is not None:
        raise InvalidTransition(
            f"The tile {started.id} of scene {item.id} is {started.status}; a scene can only be failed "
            "while all its tiles are NEW."
        )
    numbers = {tile.id for tile in tiles}
    hood.ensure_loaded(
        NotLoaded(
            tiles={tile.previous for tile in tiles if tile.previous is not None},
            followers_of=numbers,
            referrers_of=numbers,
        )
    )
    _set_status(hood, item, Status.FAILED, cause, message)
    for tile in tiles:
        _fail_tile(hood, tile, Cause.SCENE_FAILED)


def _fail_tile(hood: WorkingSet, tile: Tile, cause: Cause, message: str | None = None) -> None:
    followers = hood.followers_of(tile)
    referrers = hood.referrers_of(tile)
    previous = hood.previous_of(tile)
    _check_relinking(hood, tile, previous, followers)
    hood.ensure_loaded(NotLoaded(scenes={follower.scene for follower in followers}))
    hood.set(tile, previous=None)
    _set_status(hood, tile, Status.FAILED, cause, message)
    # by id: a tile may follow and refer at once, and leaves one event
    moved = {other.id: other for other in referrers} | {other.id: other for other in followers}
    for follower in followers:
        hood.set(follower, previous=previous.id if previous else None)
    _reassign_reference(hood, tile, followers, referrers)
    for number in sorted(moved):
        hood.log_transition(moved[number], moved[number].status, Cause.HAND_OVER)
    for follower in followers:
        _start_if_ready(hood, follower)


def _check_relinking(hood: WorkingSet, tile: Tile, previous: Tile | None, followers: list[Tile]) -> None:
    started = next((follower for follower in followers if follower.status is not Status.NEW), None)
    if started is not None:
        raise InvalidTransition(
            f"The tile {started.id} that follows tile {tile.id} is {started.status}; a tile can only be failed "
            "while all that follow it are NEW."
        )
    if previous is None:
        return
    if previous.status is Status.FAILED:
        raise InvalidTransition(f"The tile {previous.id} before tile {tile.id} is FAILED; none can follow it.")
    scene = hood.scene_of(previous)
    if scene.status is Status.FAILED and scene.id != tile.scene:
        raise InvalidTransition(
            f"The scene {scene.id} of the tile before tile {tile.id} is FAILED; none can follow it."
        )


def _reassign_reference(hood: WorkingSet, tile: Tile, followers: list[Tile], referrers: list[Tile]) -> None:
    """The first follower, or else the first of those who refer to the tile, becomes the reference of the others."""
    heirs = followers or [other for other in referrers if other.status is not Status.FAILED]
    heir = heirs[0] if heirs else None
    for other in referrers:
        reference = tile.reference if heir is None or other is heir else heir.id
        # in a chain whose tiles refer to each other it may come back to the one that inherits
        hood.set(other, reference=None if reference == other.id else reference)

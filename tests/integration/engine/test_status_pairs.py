"""Every status of a scene and a tile under every command, against a table written by hand, on a real store.

The graph is a chain of three scenes with one tile each. The first scene and its tile are DONE; the last scene is DONE and
its tile waits. Commands apply to the middle scene or its tile. No retries are left unless a test sets them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from tests.engine_harness import Running, Snapshot, running
from tests.reference_model import DONE, FAILED, NEW, PENDING, RETRY, SCENE, TILE, Item, Job, Key, Link, NewScene
from workflow_monitor.domain.commands import Command, CreateAOI, FailItem, ForceStatus, ReportResults, RetryItem
from workflow_monitor.domain.errors import InvalidTransition
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status

# Cells: `no` refused, `same` an unchanged result: no state changes.
# Otherwise the status afterwards, and in this order, as far as it applies:
#   -1        retries_left decreases by one
#   sent      the item is dispatched again
#   cleared   the message becomes empty; with `set` it becomes the message of the result; otherwise it is kept
#   starts    the scene's tile is dispatched (with its previous tile and reference)
#   next      the follower is dispatched, after this tile
#   closes    the graph closes over the item: the follower is dispatched, after the first tile
TILES = """
cause           | NEW                     | PENDING             | DONE             | RETRY                   | FAILED
----------------|-------------------------|---------------------|------------------|-------------------------|------------------------
result NEW      | same                    | no                  | no               | no                      | no
result PENDING  | no                      | same                | no               | no                      | no
result DONE     | no                      | DONE next           | same             | DONE cleared next       | no
result RETRY    | no                      | RETRY set           | no               | same                    | no
result FAILED   | no                      | FAILED set closes   | no               | FAILED set closes       | same
retry           | no                      | no                  | no               | PENDING -1 sent cleared | no
fail            | no                      | no                  | no               | FAILED closes           | no
fail/force      | FAILED closes           | FAILED closes       | no               | FAILED closes           | FAILED
force NEW       | NEW                     | NEW                 | NEW              | NEW                     | NEW
force PENDING   | PENDING -1 sent cleared | PENDING -1 sent     | PENDING -1 sent  | PENDING -1 sent cleared | PENDING -1 sent cleared
force DONE      | DONE cleared next       | DONE next           | DONE             | DONE cleared next       | DONE cleared
force RETRY     | RETRY                   | RETRY               | RETRY            | RETRY                   | RETRY
force FAILED    | FAILED closes           | FAILED closes       | no               | FAILED closes           | FAILED
"""
SCENES = """
cause           | NEW                     | PENDING             | DONE             | RETRY                   | FAILED
----------------|-------------------------|---------------------|------------------|-------------------------|------------------------
result NEW      | same                    | no                  | no               | no                      | no
result PENDING  | no                      | same                | no               | no                      | no
result DONE     | no                      | DONE starts         | same             | DONE cleared starts     | no
result RETRY    | no                      | RETRY set           | no               | same                    | no
result FAILED   | no                      | FAILED set closes   | no               | FAILED set closes       | same
retry           | no                      | no                  | no               | PENDING -1 sent cleared | no
fail            | no                      | no                  | no               | FAILED closes           | no
fail/force      | FAILED closes           | FAILED closes       | no               | FAILED closes           | no
force NEW       | NEW                     | NEW                 | NEW              | NEW                     | NEW
force PENDING   | PENDING -1 sent cleared | PENDING -1 sent     | PENDING -1 sent  | PENDING -1 sent cleared | PENDING -1 sent cleared
force DONE      | DONE cleared starts     | DONE starts         | DONE             | DONE cleared starts     | DONE cleared
force RETRY     | RETRY                   | RETRY               | RETRY            | RETRY                   | RETRY
force FAILED    | FAILED closes           | FAILED closes       | no               | FAILED closes           | no
"""


def cells(kind: ItemKind, table: str) -> Iterator[Any]:
    head, _, *rows = (line.split("|") for line in table.strip().splitlines())
    for cause, *outcomes in rows:
        for status, outcome in zip(head[1:], outcomes, strict=True):
            values = kind, Status(status.strip()), cause.strip(), outcome.split()
            yield pytest.param(*values, id=f"{kind}-{values[1]}-{values[2].replace(' ', '-')}")


@dataclass
class Stage:
    """The chain; `at` is the item under test."""

    running: Running
    kind: ItemKind
    number: int = 2

    @property
    def at(self) -> Key:
        return Key(self.kind, self.number)

    def report(self, kind: ItemKind, number: int, status: Status, message: str = "") -> str:
        (outcome,) = self.running.do(ReportResults([Result(kind=kind, id=number, status=status, message=message)]))
        return str(outcome.code)

    def set(self, retries: int) -> None:
        """Build the chain; its end waits for the middle."""
        root = Link("A", "tile")
        self.running.do(CreateAOI("Denmark"))
        self.running.ingest("Denmark", NewScene("A", 2, {"tile": None}))
        self.running.ingest("Denmark", NewScene("B", retries, {"tile": (root, root)}))
        self.running.ingest("Denmark", NewScene("C", 2, {"tile": (Link("B", "tile"), root)}))
        for kind, number in ((SCENE, 1), (TILE, 1), (SCENE, 3)):
            assert self.report(kind, number, DONE) == "applied"
        if self.kind is TILE:
            assert self.report(SCENE, 2, DONE) == "applied"

    def bring_to(self, status: Status) -> None:
        """Bring the item into a status by ordinary commands; NEW by force from RETRY."""
        if status is NEW:
            self.report(*self.at, RETRY, "broken")
            self.running.do(ForceStatus(*self.at, NEW))
        elif status is not PENDING:
            self.report(*self.at, status, "broken")

    def meet(self, cause: str) -> str:
        """Return the outcome of the command: `no`, `same` or `yes`."""
        word, _, status = cause.partition(" ")
        if word == "result":
            outcome = self.report(*self.at, Status(status), "new message")
            return {"applied": "yes", "unchanged": "same", "refused": "no"}[outcome]
        commands: dict[str, Command] = {
            "retry": RetryItem(*self.at),
            "fail": FailItem(*self.at),
            "fail/force": FailItem(*self.at, force=True),
        }
        future: Future[Any] = self.running.send(commands.get(word) or ForceStatus(*self.at, Status(status)))
        error = future.exception(30)
        assert error is None or type(error) is InvalidTransition
        return "no" if error else "yes"


def carry_out(  # noqa: C901 - one line a word of the table
    outcome: list[str], kind: ItemKind, before: Snapshot
) -> tuple[dict[Key, Item], set[Job]]:
    """The items as they have to be after a cell of the table, and the jobs that have to be published."""
    items, jobs = copy.deepcopy(before.items), set()
    if outcome in (["no"], ["same"]):
        return items, set()
    item, status, words = items[Key(kind, 2)], Status(outcome[0]), outcome[1:]
    mine, after = items[Key(TILE, 2)], items[Key(TILE, 3)]

    def dispatch(it: Item) -> None:
        it.attempt += 1
        jobs.add(Job(it.kind, it.id, it.attempt, it.previous, it.reference))

    item.status = status
    for word in words:
        match word:
            case "-1":
                item.countdown -= 1
            case "sent":
                dispatch(item)
            case "cleared":
                assert item.message == "broken"
                item.message = ""
            case "set":
                item.message = "new message"
            case "starts":
                mine.status = PENDING
                dispatch(mine)
            case "next":
                after.status = PENDING
                dispatch(after)
            case "closes":
                mine.status, mine.previous, after.status, after.previous = FAILED, None, PENDING, 1
                dispatch(after)
            case _:
                raise AssertionError(word)
    return items, jobs


@pytest.mark.parametrize(("kind", "status", "cause", "outcome"), [*cells(TILE, TILES), *cells(SCENE, SCENES)])
def test_pair(kind: ItemKind, status: Status, cause: str, outcome: list[str]) -> None:
    with running() as engine:
        stage = Stage(engine, kind)
        stage.set(retries=0)
        stage.bring_to(status)
        before = engine.snapshot()
        assert before.items[stage.at].status is status
        assert stage.meet(cause) == (outcome[0] if outcome[0] in ("no", "same") else "yes")
        after = engine.snapshot()
    items, jobs = carry_out(outcome, kind, before)
    assert after.items == items
    assert after.untaken - before.untaken == jobs


def test_every_pair_is_in_the_tables() -> None:
    causes = {f"result {s}" for s in Status} | {f"force {s}" for s in Status} | {"retry", "fail", "fail/force"}
    for kind, table in ((TILE, TILES), (SCENE, SCENES)):
        met = {(param.values[1], param.values[2]) for param in cells(kind, table)}
        assert met == {(status, cause) for status in Status for cause in causes}


@pytest.mark.parametrize("kind", ItemKind)
@pytest.mark.parametrize("retries", [1, 2, 5])
def test_result_retry_is_retried_as_long_as_retries_are_left(kind: ItemKind, retries: int) -> None:
    with running() as engine:
        stage = Stage(engine, kind)
        stage.set(retries)
        for left in reversed(range(retries)):
            before = engine.snapshot()
            assert stage.report(*stage.at, RETRY, f"broken, {left} left") == "applied"
            items, jobs = carry_out(["PENDING", "-1", "sent"], kind, before)
            after = engine.snapshot()
            assert after.items == items
            assert after.untaken - before.untaken == jobs
            assert after.items[stage.at].countdown == left
        assert stage.report(*stage.at, RETRY, "broken for good") == "applied"
        last = engine.snapshot().items[stage.at]
        assert (last.status, last.message, last.countdown) == (RETRY, "broken for good", 0)

"""What giving an item up would do is what it then does, and looking does nothing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_harness import Running, running
from tests.reference_model import Link, NewScene
from workflow_monitor.domain.commands import CreateAOI, FailItem, PreviewFail, ReportResults
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import Transition

PLACES = ("a", "b")
#: how far back each scene's tiles look for the one before, and what workers then report of (kind, id)
STORIES = st.tuples(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from(ItemKind), st.integers(1, 10), st.sampled_from([Status.DONE, Status.DONE, Status.RETRY])
        ),
        max_size=12,
    ),
)


def chain(links: Sequence[tuple[int, int]]) -> list[NewScene]:
    scenes = []
    for number, back in enumerate(links):
        tiles: dict[str, Any] = {}
        for place, steps in zip(PLACES, back, strict=True):
            before = number - steps
            link = Link(f"s{before}", place)
            tiles[place] = (link, link) if 0 <= before < number else None
        scenes.append(NewScene(f"s{number}", 0, tiles))
    return scenes


def outcome(future: Future[Any]) -> Any:
    error = future.exception(30)
    if error is None:
        return future.result()
    assert isinstance(error, WorkflowError), error
    return error.code


def told(change: Transition | Any) -> tuple[object, ...]:
    """What a change and an event have in common, but for the sequence number."""
    kind = change.kind if isinstance(change, Transition) else change.type
    links = change.previous, change.reference
    return kind, change.id, change.before, change.after, change.cause, change.attempt, change.retries_left, *links


@settings(max_examples=60, deadline=None)
@given(story=STORIES, order=st.permutations([(kind, number) for kind in ItemKind for number in range(1, 12)]))
def test_what_is_foreseen_happens(story: tuple[Any, Any], order: list[tuple[ItemKind, int]]) -> None:
    links, results = story
    with running() as engine:
        engine.do(CreateAOI("Fyn"))
        engine.ingest("Fyn", *chain(links))
        for kind, number, status in results:
            engine.do(ReportResults([Result(kind=kind, id=number, status=status)]))
        for kind, number in order:
            before = engine.snapshot(), engine.events()
            foreseen = outcome(engine.send(PreviewFail(kind, number)))
            assert (engine.snapshot(), engine.events()) == before
            failed = outcome(engine.send(FailItem(kind, number, force=True)))
            if isinstance(foreseen, str):
                assert failed == foreseen
            else:
                assert failed is None
                assert [told(event) for event in engine.events()[len(before[1]) :]] == [told(one) for one in foreseen]


def in_the_middle(engine: Running) -> None:
    engine.do(CreateAOI("Fyn"))
    engine.ingest("Fyn", *chain([(0, 0), (1, 1), (1, 1)]))
    done = [Result(kind=ItemKind.SCENE, id=number, status=Status.DONE) for number in (1, 3)]
    engine.do(ReportResults(done))


def test_looking_takes_no_number_and_stores_nothing_beside_what_is_stored_with_it() -> None:
    with running() as engine:
        in_the_middle(engine)
        newest = engine.events()[-1].seq
        with engine.clock.holding():
            first = engine.send(PreviewFail(ItemKind.SCENE, 2))
            engine.send(ReportResults([Result(kind=ItemKind.TILE, id=1, status=Status.DONE)]))
            last = engine.send(PreviewFail(ItemKind.SCENE, 2))
        foreseen: list[Transition] = first.result(30)
        assert (foreseen[0].kind, foreseen[0].id, foreseen[0].after) == (ItemKind.SCENE, 2, Status.FAILED)
        assert [event.seq for event in engine.events()][-1] == newest + 1
        assert [one.id for one in last.result(30) if one.after is Status.PENDING] == [5]
        engine.do(FailItem(ItemKind.SCENE, 2, force=True))
        assert [event.seq for event in engine.events()] == list(range(1, len(engine.events()) + 1))

"""The preview of a failure lists the changes that the failure then makes, and changes nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_harness import Running, running
from tests.reference_model import Link, NewScene
from workflow_monitor.domain.commands import CreateAOI, FailItem, ReportResults
from workflow_monitor.domain.errors import WorkflowError
from workflow_monitor.domain.models import Result
from workflow_monitor.domain.status import ItemKind, Status
from workflow_monitor.domain.working_set import Transition
from workflow_monitor.engine.queries import Queries

PLACES = ("a", "b")
#: distance of the previous tile for each scene's tiles, and the results of (kind, id)
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


def preview(engine: Running, kind: ItemKind, item_id: int) -> list[Transition] | str:
    try:
        return Queries(engine.store.reader).preview_fail(kind, item_id)
    except WorkflowError as error:
        return error.code


def summary(change: Transition | Any) -> tuple[object, ...]:
    """Fields that a transition and its event share, without the sequence number."""
    kind = change.kind if isinstance(change, Transition) else change.type
    links = change.previous, change.reference
    return kind, change.id, change.before, change.after, change.cause, change.attempt, change.retries_left, *links


@settings(max_examples=20, deadline=None)
@given(story=STORIES, order=st.permutations([(kind, number) for kind in ItemKind for number in range(1, 12)]))
def test_failure_makes_the_previewed_changes(story: tuple[Any, Any], order: list[tuple[ItemKind, int]]) -> None:
    links, results = story
    with running() as engine:
        engine.do(CreateAOI("Fyn"))
        engine.ingest("Fyn", *chain(links))
        for kind, number, status in results:
            engine.do(ReportResults([Result(kind=kind, id=number, status=status)]))
        for kind, number in order:
            before = engine.snapshot(), engine.events()
            previewed = preview(engine, kind, number)
            assert (engine.snapshot(), engine.events()) == before
            failed = outcome(engine.send(FailItem(kind, number, force=True)))
            if isinstance(previewed, str):
                assert failed == previewed
            else:
                assert failed is None
                assert [summary(event) for event in engine.events()[len(before[1]) :]] == [
                    summary(one) for one in previewed
                ]

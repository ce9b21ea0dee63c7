"""The cache of pending jobs returns the same jobs as a query of all jobs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workflow_monitor.domain.models import Job
from workflow_monitor.domain.status import ItemKind
from workflow_monitor.store.duckdb.pending_jobs import PendingJobCache

FETCH_SIZE, MAX_CACHED = 3, 5
queues = st.sampled_from(ItemKind)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), queues, st.integers(1, 8)),
        st.tuples(st.just("pop"), queues, st.integers(1, 8)),
        st.tuples(st.just("drop"), queues, st.integers(0, 20)),
        st.tuples(st.just("clear"), queues, st.just(0)),
    ),
    max_size=60,
)


class Table:
    """Table of the pending jobs, ordered by id."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self.published = 0
        self.fetches = 0

    def publish(self, queue: ItemKind, number: int) -> list[Job]:
        new = [Job(self.published + index, queue, 1, 1, 1) for index in range(1, number + 1)]
        self.published += number
        self.waiting += new
        return new

    def fetch(self, queue: ItemKind, number: int, after: int) -> list[Job]:
        self.fetches += 1
        return [job for job in self.waiting if job.kind is queue and job.id > after][:number]


@given(steps)
def test_the_oldest_jobs_are_popped(operations: list[tuple[str, ItemKind, int]]) -> None:
    table = Table()
    cache = PendingJobCache(table.fetch, FETCH_SIZE, MAX_CACHED)
    for step, queue, number in operations:
        match step:
            case "publish":
                cache.publish(table.publish(queue, number))
            case "pop":
                expected = table.fetch(queue, number, 0)
                assert cache.pop(queue, number) == expected
                table.waiting = [job for job in table.waiting if job not in expected]
            case "drop":
                cache.drop([number])
                table.waiting = [job for job in table.waiting if job.id != number]
            case _:
                cache.clear()


def test_one_fetch_suffices_while_workers_keep_up() -> None:
    table = Table()
    cache = PendingJobCache(table.fetch, FETCH_SIZE, MAX_CACHED)
    assert cache.pop(ItemKind.TILE, 1) == []
    for _ in range(100):
        cache.publish(table.publish(ItemKind.TILE, 2))
        assert len(cache.pop(ItemKind.TILE, 2)) == 2
    assert table.fetches == 1


def test_the_cache_size_is_limited() -> None:
    table = Table()
    cache = PendingJobCache(table.fetch, FETCH_SIZE, MAX_CACHED)
    assert cache.pop(ItemKind.TILE, 1) == []
    cache.publish(table.publish(ItemKind.TILE, 1_000))
    kept = cache.pop(ItemKind.TILE, MAX_CACHED)
    assert (len(kept), table.fetches) == (MAX_CACHED, 1)
    assert [job.id for job in cache.pop(ItemKind.TILE, 2)] == [MAX_CACHED + 1, MAX_CACHED + 2]
    assert table.fetches == 2

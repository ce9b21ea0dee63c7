"""Dask clusters for tests: real ones, in threads of this process or in processes that can be killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from distributed import Client, LocalCluster


@contextmanager
def threads(number: int, resources: Mapping[str, float] | None = None) -> Iterator[Client]:
    """The client of a cluster with one worker in this process, which runs so many jobs at once.

    Without a protocol of its own it would ask how hosts beyond this machine are reached.
    """
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=number,
            processes=False,
            protocol="tcp://",
            dashboard_address="127.0.0.1:0",
            resources=dict(resources or {}),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client

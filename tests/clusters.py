"""Dask clusters for tests, with a worker in threads of this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from distributed import Client, LocalCluster


@contextmanager
def threads(number: int, resources: Mapping[str, float] | None = None) -> Iterator[Client]:
    """Client of a local cluster with one worker, which runs up to `number` jobs concurrently."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=number,
            processes=False,
            protocol="tcp://",  # inproc, the default with threads, determines the external address of this host
            dashboard_address="127.0.0.1:0",
            resources=dict(resources or {}),
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client

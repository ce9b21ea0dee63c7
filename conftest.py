"""The examples in the client's docstrings run against a real Jupyter server with a small ingestion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.serving import TOKEN, Servers, seed
from workflow_monitor.client import Monitor

#: what an example must speak of to be given a server
NAMES = ("m.", "m[", "aoi.", "url", "folder")


@pytest.fixture(scope="session")
def seeded_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store with the ingestion of the examples."""
    return seed(tmp_path_factory.mktemp("seeded"))


@pytest.fixture(scope="session")
def example_servers(seeded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Servers over copies of that store."""
    with Servers(seeded_store, tmp_path_factory) as servers:
        yield servers


@pytest.fixture(autouse=True)
def _example_names(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> Iterator[None]:
    """What examples of the client may use: `m`, `aoi`, `url`, `token`, `folder`."""
    if not isinstance(request.node, pytest.DoctestItem) or not request.node.name.startswith("workflow_monitor.client."):
        yield
        return
    example = "".join(one.source for one in request.node.dtest.examples)
    if not any(name in example for name in NAMES):
        yield
        return
    server = request.getfixturevalue("example_servers").untouched()
    with Monitor(server.base_url, token=TOKEN, actor="tests") as m:
        folder = request.getfixturevalue("tmp_path")
        doctest_namespace |= {"m": m, "aoi": m["DenmarkS1"], "url": server.base_url, "token": TOKEN, "folder": folder}
        yield

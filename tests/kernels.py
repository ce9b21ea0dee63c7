"""Kernels started by a Jupyter server, as for a notebook."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import httpx
import pytest
from jupyter_client.blocking.client import BlockingKernelClient


@contextmanager
def kernel_of(url: str, token: str, runtime: Path) -> Iterator[BlockingKernelClient]:
    """Start a kernel on the server at this base URL with the runtime directory `runtime`."""
    headers = {"Authorization": f"token {token}"}
    with httpx.Client(base_url=f"{url}api/", headers=headers, timeout=300, trust_env=False) as api:
        kernel_id = api.post("kernels", json={"name": "python3"}).raise_for_status().json()["id"]
        client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{kernel_id}.json"))
        client.load_connection_file()
        client.start_channels()
        try:
            _wait_until_ready(client)
            yield client
        finally:
            client.stop_channels()
            api.delete(f"kernels/{kernel_id}").raise_for_status()


def _wait_until_ready(client: BlockingKernelClient) -> None:
    """Wait for a kernel; jupyter_client reports one that does not listen yet as dead."""
    deadline = time.monotonic() + 300
    while True:
        try:
            return client.wait_for_ready(timeout=60)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def execute(kernel: BlockingKernelClient, code: str, hook: Callable[[Any], None], what: str) -> None:
    """Execute code and pass its outputs to `hook`; an error of the code fails the test."""
    try:
        reply = kernel.execute_interactive(code, timeout=300, output_hook=hook)
    except Empty:
        pytest.fail(f"{what}: no reply within 300 seconds")
    content = reply["content"]
    assert content["status"] == "ok", "\n".join([f"{what}:", *content["traceback"]])

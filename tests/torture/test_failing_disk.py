"""Servers on a full, read-only, broken or slow disk keep each acknowledged write and recover without a restart."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests import fault_injection
from tests.disk_harness import running_on
from tests.fault_injection import FailingDisk, Policy, Write
from tests.integration.server.conftest import scene
from tests.invariants import found_wrong
from tests.scale import effort
from tests.server_process import TOKEN, LiveServer, live_server

SEED = os.environ.get("WORKFLOW_MONITOR_SEED") or str(random.randrange(10**6))
FAULTS = effort(6, 300)
WRITERS = 4
KINDS: list[Policy] = [
    *[fault_injection.full] * 2,
    fault_injection.read_only,
    fault_injection.remounted,
    fault_injection.broken,
    fault_injection.slow,
]


@pytest.fixture(scope="module", autouse=True)
def watched(tmp_path_factory: pytest.TempPathFactory) -> None:
    with FailingDisk(tmp_path_factory.mktemp("probe")) as disk:
        command = disk.command([sys.executable, "-c", ""])
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("this kernel does not support seccomp with a listener, which intercepts write calls")


@contextmanager
def disk_in(folder: Path) -> Iterator[FailingDisk]:
    (folder / "disk").mkdir(exist_ok=True)
    with FailingDisk(folder / "disk") as disk:
        yield disk


class ServerOnDisk(NamedTuple):
    """Server and the disk of its store."""

    server: LiveServer
    disk: FailingDisk


@pytest.fixture(scope="module")
def shared_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerOnDisk]:
    folder = tmp_path_factory.mktemp("failing")
    with disk_in(folder) as disk:
        with server_on(disk, folder) as server:
            yield ServerOnDisk(server, disk)
        with running_on(folder / "disk" / "workflow.duckdb") as engine:
            assert found_wrong(engine) == []


@pytest.fixture
def target(shared_target: ServerOnDisk) -> Iterator[ServerOnDisk]:
    """Server on a healthy disk; the disk is healthy again after the test."""
    yield shared_target
    shared_target.disk.policy = fault_injection.healthy


@contextmanager
def server_on(disk: FailingDisk, tmp_path: Path) -> Iterator[LiveServer]:
    """Run a server with its store on the disk."""
    with live_server(
        tmp_path,
        disk=disk,
        ready="aoi/",
        store_url=f"duckdb:///{tmp_path}/disk/workflow.duckdb",
        retry_opening_seconds=0.1,
    ) as server:
        yield server


def client(server: LiveServer) -> httpx.Client:
    headers = {"Authorization": f"token {TOKEN}", "Accept": "application/problem+json"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=300)


def names(c: httpx.Client, *, patience: float = 0) -> list[str]:
    """Return the names of all AOIs; poll for `patience` seconds while the server reopens its store."""
    deadline = time.monotonic() + patience
    while (response := c.get("/aoi/")).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert response.status_code == 200, response.text
    return [aoi["ID"] for aoi in response.json()]


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 503, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"]
    document = response.json()
    assert document["code"] == "store-unavailable"
    return str(document["detail"])


def create_until_there(c: httpx.Client, name: str) -> None:
    deadline = time.monotonic() + 240
    while (response := c.post(f"/aoi/{name}")).status_code == 503:
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)
    assert response.status_code == 204


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (fault_injection.full, "No space left on device. The disk is full: free some space. Nothing of this request"),
        (fault_injection.read_only, "Read-only file system. The file cannot be written: check its permissions"),
        (
            fault_injection.remounted,
            (
                "Read-only file system. The file cannot be written: check its permissions and those of its folder. "
                "It is not certain"
            ),
        ),
        (
            fault_injection.broken,
            "The disk reports errors: check the system log. It is not certain",
        ),
    ],
    ids=["full", "read-only", "remounted", "broken"],
)
def test_a_failing_disk_refuses_writes_serves_reads_and_recovers(
    target: ServerOnDisk, policy: Policy, reason: str
) -> None:
    kind, is_uncertain = policy.__name__, "not certain" in reason
    with client(target.server) as c:
        create_until_there(c, f"before {kind}")
        before = set(names(c))
        target.disk.policy = policy
        for number in range(3):
            assert reason in refusal(c.post(f"/aoi/during {kind} {number}")), number
            assert before <= set(names(c, patience=240 if is_uncertain else 0))
        target.disk.policy = fault_injection.healthy
        create_until_there(c, f"after {kind}")
        stored = set(names(c))
        assert before | {f"after {kind}"} <= stored
        # Refused writes are not stored. After a failed sync the outcome is uncertain.
        assert stored == before | {f"after {kind}"} or is_uncertain


def test_reads_do_not_wait_for_a_sync_and_writes_do(target: ServerOnDisk) -> None:
    reached, may_go_on = threading.Event(), threading.Event()

    def held(write: Write) -> int:
        if write.is_sync and write.path.suffix == ".wal":
            reached.set()
            may_go_on.wait(300)
        return 0

    with client(target.server) as c, ThreadPoolExecutor(1) as pool:
        create_until_there(c, "before slow")
        before = names(c)
        target.disk.policy = held
        writing = pool.submit(c.post, "/aoi/during slow")
        assert reached.wait(300)
        for _ in range(20):
            assert names(c) == before
        assert not writing.done()
        may_go_on.set()
        assert writing.result(300).status_code == 204
        assert set(names(c)) == {*before, "during slow"}


def test_each_acknowledgement_follows_a_sync_of_the_wal(target: ServerOnDisk) -> None:
    synced = [0]

    def counted(write: Write) -> int:
        synced[0] += write.is_sync and write.path.suffix == ".wal"
        return 0

    with client(target.server) as c:
        target.disk.policy = counted
        for number in range(20):
            before = synced[0]
            assert c.post(f"/aoi/a{number}").status_code == 204
            assert synced[0] > before


@pytest.mark.parametrize("tries", [1, 3], ids=["once", "again-after-reopening"])
def test_commits_after_a_partial_transaction_in_the_log_survive(tmp_path: Path, tries: int) -> None:
    """DuckDB writes the first part of a transaction and can neither write the rest nor truncate the log."""
    written = Counter[str]()

    def partly(write: Write) -> int:
        if write.path.suffix != ".wal":
            return 0
        written[write.call] += 1
        return 0 if write.call.startswith(("write", "pwrite")) and written[write.call] == 1 else errno.ENOSPC

    with disk_in(tmp_path) as disk, server_on(disk, tmp_path) as server, client(server) as c:
        create_until_there(c, "Fyn")
        disk.policy = partly
        for _ in range(tries):
            refusal(c.post("/aoi/Fyn/scenes", json=[scene(f"s{number}") for number in range(300)]))
            names(c, patience=240)
        assert written["ftruncate"]
        disk.policy = fault_injection.healthy
        create_until_there(c, "after")
        server.process.kill()
        server.process.wait(300)
    with running_on(tmp_path / "disk" / "workflow.duckdb") as engine:
        assert found_wrong(engine) == []
        assert {aoi.name for aoi in engine.store.reader.aois()} == {"Fyn", "after"}


# ---- random faults under load


@dataclass
class Writer:
    """Client that ingests scenes and records the acknowledged, uncertain and refused ones."""

    number: int
    acknowledged: list[str] = field(default_factory=list)
    uncertain: set[str] = field(default_factory=set)
    refused: int = 0
    sent: int = 0

    def write(self, c: httpx.Client, name: str) -> None:
        try:
            response = c.post(f"/aoi/W{self.number}/scene", json=scene(name, aoi=f"W{self.number}"))
        except httpx.TransportError:
            self.uncertain.add(name)
            return
        if response.status_code == 200 or (response.status_code == 409 and name in self.uncertain):
            self.acknowledged.append(name)
        else:
            assert response.status_code == 503, response.text
            self.refused += 1
            if "not certain" in response.text:
                self.uncertain.add(name)

    def run(self, server: LiveServer, stop: threading.Event) -> None:
        with client(server) as c:
            while not stop.is_set():
                self.sent += 1
                self.write(c, f"s{self.number}-{self.sent}")


def _after_some_calls(chance: random.Random, policy: Policy) -> Policy:
    """Return a policy that starts to fail after 0 to 7 calls, possibly within a transaction."""
    left = [chance.randrange(8)]

    def delayed(write: Write) -> int:
        left[0] -= 1
        return policy(write) if left[0] < 0 else 0

    return delayed


def lost(path: Path, writers: list[Writer]) -> list[str]:
    """Return the acknowledged scenes that the store lacks and the refused scenes that it holds."""
    with running_on(path) as engine:
        assert found_wrong(engine) == []
        texts = engine.snapshot().items.values()
        stored: Counter[str] = Counter(item.name for item in texts if item.scene is None)
    assert max(stored.values(), default=1) == 1
    acknowledged = {name for writer in writers for name in writer.acknowledged}
    uncertain = {name for writer in writers for name in writer.uncertain}
    return sorted(acknowledged - set(stored)) + sorted(set(stored) - acknowledged - uncertain)


def wait_for(count: Callable[[], int], more: int) -> None:
    """Wait until a count has grown by `more`."""
    target, deadline = count() + more, time.monotonic() + 240
    while count() < target:
        assert time.monotonic() < deadline, "the writers make no progress"
        time.sleep(0.005)


def fail_at_random(
    disk: FailingDisk, server: LiveServer, writers: list[Writer], chance: random.Random, faults: int
) -> None:
    """Inject `faults` faults under the load of the writers, then stop or kill the server, possibly during the last one."""
    with client(server) as c:
        for writer in writers:
            c.post(f"/aoi/W{writer.number}")
        stop = threading.Event()
        threads = [threading.Thread(target=writer.run, args=(server, stop)) for writer in writers]
        for thread in threads:
            thread.start()
        for fault in range(faults):
            wait_for(lambda: sum(len(writer.acknowledged) for writer in writers), chance.randint(8, 100))
            disk.policy = _after_some_calls(chance, chance.choice(KINDS))
            wait_for(lambda: sum(writer.sent for writer in writers), chance.randint(8, 100))
            if fault < faults - 1 or chance.random() < 0.5:
                disk.policy = fault_injection.healthy
                create_until_there(c, f"healed {chance.random()}")
    server.process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
    server.process.wait(300)
    stop.set()
    for thread in threads:
        thread.join(300)
    disk.policy = fault_injection.healthy


@pytest.mark.torture
@pytest.mark.timeout(effort(3_600, 14_400))
def test_random_disk_faults_lose_no_acknowledged_write(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    print(f"WORKFLOW_MONITOR_SEED={SEED}")
    chance, path = random.Random(SEED), tmp_path / "disk" / "workflow.duckdb"
    writers = [Writer(number) for number in range(WRITERS)]
    left = FAULTS
    restarts = 0
    while left > 0:
        burst = min(left, 6)
        with disk_in(tmp_path) as disk, server_on(disk, tmp_path) as server:
            fail_at_random(disk, server, writers, chance, burst)
        assert lost(path, writers) == []
        left -= burst
        restarts += 1
    acknowledged = sum(len(writer.acknowledged) for writer in writers)
    for name, value in (
        ("seed", SEED),
        ("faults", FAULTS),
        ("restarts", restarts),
        ("acknowledged", acknowledged),
        ("refused", sum(writer.refused for writer in writers)),
        ("lost", 0),
    ):
        record_property(name, value)
    assert acknowledged > 5 * FAULTS
    assert sum(writer.refused for writer in writers) > 0

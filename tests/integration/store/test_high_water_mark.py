"""The store detects the loss of acknowledged transactions, and leaves damaged files unchanged."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disk_harness import AOI, names, running_on, scenes
from tests.invariants import found_wrong
from tests.scale import effort
from workflow_monitor.domain.commands import CreateAOI
from workflow_monitor.domain.errors import StoreUnavailable
from workflow_monitor.store import open_store
from workflow_monitor.store.duckdb.high_water_mark import SIZE, HighWaterMark

SEED = os.environ.get("WORKFLOW_MONITOR_SEED") or str(random.randrange(10**6))
MUTATIONS = effort(120, 3_000)
#: commits of the fixture `killed`
COMMITS = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workflow.duckdb"


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def image(path: Path, folder: Path) -> Path:
    """Copy the files of an open store, as if its process were killed now."""
    folder.mkdir(exist_ok=True)
    for end in ("", ".wal", ".mark"):
        if beside(path, end).exists():
            shutil.copy2(beside(path, end), folder / f"{path.name}{end}")
    return folder / path.name


@pytest.fixture
def killed(path: Path, tmp_path: Path) -> Path:
    """A store of a killed process, with all but the first commit in the log."""
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
    with running_on(path) as engine:
        for number in range(COMMITS):
            engine.ingest(AOI, *scenes(number, 1))
        return image(path, tmp_path / "killed")


def refusal(path: Path) -> str:
    """Return the reason why the store cannot be opened; assert that its files are unchanged."""
    before = contents(path.parent)
    with pytest.raises(StoreUnavailable) as error:
        open_store(f"duckdb:///{path}").close()
    assert contents(path.parent) == before
    assert f"workflow-monitor restore {path}" in error.value.detail
    return error.value.detail


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file() and file.suffix != ".lock"}


def holds_all(path: Path) -> bool:
    with running_on(path) as engine:
        assert found_wrong(engine) == []
        return names(engine) == [scene.name for scene in scenes(0, COMMITS)]


def test_a_killed_store_is_complete(killed: Path) -> None:
    assert beside(killed, ".wal").stat().st_size > 10_000
    assert holds_all(killed)


def test_a_removed_log_is_detected(killed: Path) -> None:
    beside(killed, ".wal").unlink()
    detail = refusal(killed)
    assert f"the last {COMMITS} of {COMMITS + 1} acknowledged transactions are missing" in detail
    assert "It was left as it is." in detail
    assert f"To continue with the data in the file: workflow-monitor restore {killed} --as-is" in detail


def test_an_older_copy_of_the_file_is_detected(path: Path, tmp_path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
    older = path.read_bytes()
    with running_on(path) as engine:
        engine.ingest(AOI, *scenes(0, 1))
    path.write_bytes(older)
    assert "the last 1 of 2 acknowledged transactions are missing" in refusal(path)


def test_a_diverged_copy_of_the_store_is_detected(path: Path, tmp_path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        other = image(path, tmp_path / "other")
        engine.ingest(AOI, *scenes(0, 1))
    with running_on(other) as engine:
        engine.ingest(AOI, *scenes(100, 1))
    shutil.copy2(other, path)
    assert "its transaction 2 is not the one that was acknowledged" in refusal(path)


def test_a_file_of_another_store_is_detected(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    for each in (path, other):
        with running_on(each) as engine:
            engine.do(CreateAOI(AOI))
    shutil.copy2(other, path)
    assert "the high-water mark belongs to another store" in refusal(path)


def test_a_missing_file_is_detected(killed: Path) -> None:
    killed.unlink()
    beside(killed, ".wal").unlink()
    detail = refusal(killed)
    assert f"the file is missing, with the {COMMITS + 1} transactions that" in detail
    assert f"To start with an empty store, remove {beside(killed, '.mark')}." in detail


def test_a_missing_mark_is_detected_unless_the_store_was_closed(path: Path, killed: Path) -> None:
    beside(killed, ".mark").unlink()
    assert "it was not closed properly, and its high-water mark is missing" in refusal(killed)
    beside(path, ".mark").unlink()
    assert holds_all(path)
    assert beside(path, ".mark").stat().st_size == SIZE


@pytest.mark.parametrize("garbled", [b"", b"[]", bytes(SIZE), b"x" * SIZE])
def test_a_damaged_mark_is_detected(killed: Path, garbled: bytes) -> None:
    beside(killed, ".mark").write_bytes(garbled)
    assert f"{beside(killed, '.mark')} is damaged." in refusal(killed)


def test_a_mark_may_be_behind_the_file(path: Path, tmp_path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        behind = beside(path, ".mark").read_bytes()
        engine.ingest(AOI, *scenes(0, COMMITS))
        ahead = beside(path, ".mark").read_bytes()
        older = image(path, tmp_path / "image")
    beside(older, ".mark").write_bytes(behind)
    assert holds_all(older)
    assert ahead != behind
    assert HighWaterMark(older).read() == HighWaterMark(path).read()


def test_a_refused_command_leaves_the_mark_unchanged(path: Path) -> None:
    with running_on(path) as engine:
        engine.do(CreateAOI(AOI))
        before = beside(path, ".mark").read_bytes()
        with pytest.raises(Exception, match="already"):
            engine.do(CreateAOI(AOI))
        assert beside(path, ".mark").read_bytes() == before


def test_the_mark_is_updated_before_the_acknowledgement(path: Path) -> None:
    with running_on(path) as engine:
        for number in range(20):
            engine.do(CreateAOI(f"{AOI} {number}"))
            mark = HighWaterMark(path).read()
            assert mark is not None
            assert mark.transactions == number + 1


# ---- random damage

Mutation = Callable[[bytearray, random.Random], None]


def _flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _zero(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    length = min(chance.choice([8, 512, 4096]), len(data) - at)
    data[at : at + length] = bytes(length)


def _splice(data: bytearray, chance: random.Random) -> None:
    source, at, length = chance.randrange(len(data)), chance.randrange(len(data)), chance.choice([8, 100, 4096])
    part = data[source : source + length]
    data[at : at + len(part)] = part


def _remove_in_the_middle(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice([1, 50, 1000])]


def outcome_of(damaged: Path) -> str:
    before = contents(damaged.parent)
    try:
        return "complete" if holds_all(damaged) else "incomplete"
    except StoreUnavailable as error:
        detail = error.detail
    assert "workflow-monitor restore" in detail, detail
    if "cannot be opened" not in detail:
        return "detected when read"
    assert contents(damaged.parent) == before, detail
    return "refused and unchanged"


@pytest.mark.torture
@pytest.mark.timeout(effort(300, 7_200))
def test_random_damage_is_detected_or_harmless(
    killed: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A damaged store is refused unchanged, reports the damage when it is read, or is still complete."""
    print(f"WORKFLOW_MONITOR_SEED={SEED}")
    chance = random.Random(SEED)
    files = contents(killed.parent)
    outcomes = Counter[str]()
    for number in range(MUTATIONS):
        damaged = tmp_path / f"damaged-{number}" / killed.name
        damaged.parent.mkdir()
        name = chance.choices([f"{killed.name}.wal", killed.name, f"{killed.name}.mark"], [6, 3, 1])[0]
        mutation: Mutation = chance.choice([_flip, _flip, _flip, _cut, _zero, _splice, _remove_in_the_middle])
        data = bytearray(files[name])
        mutation(data, chance)
        for file, content in (files | {name: bytes(data)}).items():
            (damaged.parent / file).write_bytes(content)
        outcome = outcome_of(damaged)
        assert outcome != "incomplete", f"mutation {number}: {mutation.__name__} of {name}"
        outcomes[outcome] += 1
        shutil.rmtree(damaged.parent)
    for outcome, times in outcomes.items():
        record_property(outcome, times)
    assert outcomes["refused and unchanged"] > MUTATIONS / 4

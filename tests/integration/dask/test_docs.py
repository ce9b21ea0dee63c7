"""The how-to of Dask lists every attribute and option, and its examples are valid."""

from __future__ import annotations

import ast
import re
from types import SimpleNamespace

from tests.paths import ROOT
from workflow_monitor.dask import Job, TaskSpec
from workflow_monitor.dask.dispatcher import LEASE_SECONDS, RENEWALS, Stats
from workflow_monitor.dask.processing import Processing
from workflow_monitor.dask.work import LIMIT
from workflow_monitor.documents.validation import validate
from workflow_monitor.queues.dask import DaskOptions, WorkOptions

PAGE = (ROOT / "docs" / "how-to" / "dask.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def public(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_")}


def rows(start: str) -> str:
    """Return the table rows with `start` at the beginning of the first cell."""
    return "\n".join(re.findall(rf"^\| (?:`{start}.*)$", PAGE, flags=re.MULTILINE))


def test_every_attribute_of_a_job_is_documented() -> None:
    assert set(re.findall(r"`job\.(\w+)`", rows("job"))) == public(Job)


def test_every_attribute_of_the_processing_is_documented() -> None:
    table = rows("work")
    counts = set(re.findall(r"`(?:work\.stats)?\.(\w+)`", table))
    assert counts == public(Stats)
    assert set(re.findall(r"`work\.(\w+)", table)) == public(Processing)


def test_every_option_of_work_is_documented_with_its_default() -> None:
    options = set(TaskSpec.__slots__) - {"function"}
    assert (
        set(re.findall(r"^- `(\w+)`: ", PAGE, flags=re.MULTILINE))
        == options
        == set(WorkOptions.__struct_fields__) - {"function"}
    )
    assert f"({LIMIT:,})" in PAGE
    assert f"`lease_seconds` ({LEASE_SECONDS})" in PAGE
    assert f"`lease_seconds` / {RENEWALS}" in PAGE


def test_the_examples_are_python() -> None:
    assert len(EXAMPLES) >= 4
    for example in EXAMPLES:
        ast.parse(example)


def test_the_options_of_the_example_are_those_of_the_queue() -> None:
    (example,) = (example for example in EXAMPLES if "queue_options" in example)
    c = SimpleNamespace(WorkflowMonitor=SimpleNamespace())
    exec(example, {"c": c})  # noqa: S102 - our own page
    assert c.WorkflowMonitor.queue == "dask"
    assert set(c.WorkflowMonitor.queue_options) == set(DaskOptions.__struct_fields__)
    assert validate(c.WorkflowMonitor.queue_options, DaskOptions).lease_seconds == LEASE_SECONDS

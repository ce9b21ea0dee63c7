from __future__ import annotations

import pytest

from workflow_monitor.dask import Job, TaskSpec
from workflow_monitor.dask.work import ImportedFunction, to_task_spec
from workflow_monitor.domain.status import ItemKind

JOB = Job(ItemKind.SCENE, 3, 1, {})
done: list[Job] = []


def test_a_function_is_imported_when_it_is_called() -> None:
    work = to_task_spec("tests.unit.dask.test_work:do")
    work.function(JOB)
    assert done == [JOB]
    with pytest.raises(ModuleNotFoundError):
        ImportedFunction("nowhere.at_all:do")(JOB)


def do(job: Job) -> None:
    done.append(job)


@pytest.mark.parametrize("path", ["module", "module:", ":function", ""])
def test_a_function_is_named_with_its_module(path: str) -> None:
    with pytest.raises(ValueError, match="'module:function'"):
        ImportedFunction(path)


def test_functions_and_task_specs_are_accepted() -> None:
    assert to_task_spec(do) == TaskSpec(do)
    assert to_task_spec(TaskSpec(do, limit=3)) == TaskSpec(do, limit=3)


def test_a_limit_below_one_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TaskSpec(do, limit=0)

"""What is done with the jobs of a queue, and how the cluster is asked for it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module

from workflow_monitor.dask.job import Job

#: jobs of a kind that are at the cluster at once, unless it is said otherwise
LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class ImportedFunction:
    """A function by its name, `module:function`; imported on the worker, so that others need not have it."""

    path: str

    def __post_init__(self) -> None:
        module, colon, function = self.path.partition(":")
        if not (module and colon and function):
            raise ValueError(f"A function is named as 'module:function', not {self.path!r}.")

    def __call__(self, job: Job) -> None:
        module, _, function = self.path.partition(":")
        getattr(import_module(module), function)(job)


@dataclass(frozen=True, slots=True)
class PickledFunction:
    """A function as bytes, made once; so the scheduler, which reads all tasks, need not have what it imports."""

    pickled: bytes

    def __call__(self, job: Job) -> None:
        _unpickle(self.pickled)(job)


@lru_cache(maxsize=16)
def _unpickle(pickled: bytes) -> Callable[[Job], object]:
    function: Callable[[Job], object] = pickle.loads(pickled)  # noqa: S301 - what our own dispatcher has packed
    return function


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A function for the scenes, or for the tiles, and how the cluster is asked to run it.

    At most `limit` jobs are at the cluster at once, queued ones included. `resources` and `priority` are passed to
    Dask: a worker has to have the resources, and higher priorities run first.
    """

    #: raises Retry or Fail where it did not succeed
    function: Callable[[Job], object]
    limit: int = LIMIT
    resources: Mapping[str, float] = field(default_factory=dict)
    priority: int = 0

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit: at least one job has to be at the cluster, not {self.limit}.")


def to_task_spec(given: TaskSpec | Callable[[Job], object] | str) -> TaskSpec:
    """What people give, as Work: a function, its name, or Work itself.

    >>> to_task_spec("ingest.scenes:download").limit
    1000
    """
    if isinstance(given, TaskSpec):
        return given
    return TaskSpec(ImportedFunction(given) if isinstance(given, str) else given)

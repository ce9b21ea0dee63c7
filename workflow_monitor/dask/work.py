"""Task specifications: the function for the jobs of a kind, and how the cluster runs it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module

from workflow_monitor.dask.job import Job

#: default limit of jobs of a kind at the cluster
LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class ImportedFunction:
    """A function by its name, `module:function`, imported on the worker only."""

    path: str

    def __post_init__(self) -> None:
        module, colon, function = self.path.partition(":")
        if not (module and colon and function):
            raise ValueError(f"The function {self.path!r} is invalid: expected 'module:function'.")

    def __call__(self, job: Job) -> None:
        module, _, function = self.path.partition(":")
        getattr(import_module(module), function)(job)


@dataclass(frozen=True, slots=True)
class PickledFunction:
    """A pickled function; the scheduler, which unpickles tasks, need not import the function's modules."""

    pickled: bytes

    def __call__(self, job: Job) -> None:
        _unpickle(self.pickled)(job)


@lru_cache(maxsize=16)
def _unpickle(pickled: bytes) -> Callable[[Job], object]:
    function: Callable[[Job], object] = pickle.loads(pickled)  # noqa: S301 - pickled by our own dispatcher
    return function


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A function for scenes or for tiles, and how the cluster runs it.

    At most `limit` jobs are at the cluster, queued ones included. `resources` and `priority` go to
    Dask: a worker must have the resources, and higher priorities run first.
    """

    #: raises RetryJob or FailJob on failure
    function: Callable[[Job], object]
    limit: int = LIMIT
    resources: Mapping[str, float] = field(default_factory=dict)
    priority: int = 0

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit: expected at least 1, not {self.limit}.")


def to_task_spec(function: TaskSpec | Callable[[Job], object] | str) -> TaskSpec:
    """Convert a function, its name, or a specification to a specification.

    >>> to_task_spec("ingest.scenes:download").limit
    1000
    """
    if isinstance(function, TaskSpec):
        return function
    return TaskSpec(ImportedFunction(function) if isinstance(function, str) else function)

"""Jobs as tasks of a Dask cluster: what a user's functions are given and raise, and the dispatcher that submits them.

Workers of the cluster import this much only; it needs nothing but the standard library.
"""

from workflow_monitor.dask.job import FailJob, Job, RetryJob
from workflow_monitor.dask.work import TaskSpec

__all__ = ["FailJob", "Job", "RetryJob", "TaskSpec"]

"""Jobs as tasks of a Dask cluster: the job, its exceptions, and the dispatcher that submits tasks.

Workers of the cluster import only this module, which needs nothing but the standard library.
"""

from workflow_monitor.dask.job import FailJob, Job, RetryJob
from workflow_monitor.dask.work import TaskSpec

__all__ = ["FailJob", "Job", "RetryJob", "TaskSpec"]

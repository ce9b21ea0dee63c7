"""Jobs as tasks of a Dask cluster: what a user's functions are given and raise, and the dispatcher that submits them.

Workers of the cluster import this much only; it needs nothing but the standard library.
"""

from workflow_monitor.dask.job import Fail, Job, Retry
from workflow_monitor.dask.work import Work

__all__ = ["Fail", "Job", "Retry", "Work"]

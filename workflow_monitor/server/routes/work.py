"""Endpoints of workers: results, jobs, leases."""

from __future__ import annotations

from workflow_monitor.server.handlers import jobs, results
from workflow_monitor.server.operations import Operation, Parameter, Route, json_content
from workflow_monitor.server.routes.parameters import NON_NEGATIVE, PAGE

_LEASED = {"id": 812, "payload": {"id": 12, "source_id": "S2A_MSIL1C_20220104"}, "attempt": 1, "lease": "wX7…"}

_RENEWED = {"leases": ["wX7…", "kP2…"], "seconds": 300}

_LEASE_REQUEST = {"max": 10, "seconds": 300, "worker": "downloader-1"}

WORK = [
    Route(
        "work",
        "/results",
        results.Results,
        {
            "post": Operation(
                "Report results",
                {200: json_content("The outcome of each result, in order.", "Outcomes")},
                json_content(
                    "Results to apply in order; a rejected result does not affect the others.",
                    "Results",
                    [{"type": "tile", "id": 12, "status": "DONE", "message": "", "attempt": 1}],
                ),
                errors=(400,),
            )
        },
    ),
    Route(
        "work",
        "/jobs/{queue}",
        jobs.Jobs,
        {
            "get": Operation(
                "Return the jobs of a queue",
                {200: json_content("The backlog and the jobs.", "Queue")},
                parameters=(
                    Parameter("state", "Only jobs in this state: waiting or leased.", {"enum": list(jobs.STATES)}),
                    Parameter("item", "Only jobs of the scene or tile with this id.", NON_NEGATIVE),
                    *PAGE,
                ),
                errors=(400, 404),
            )
        },
    ),
    Route(
        "work",
        "/jobs/{queue}/lease",
        jobs.LeaseJobsHandler,
        {
            "post": Operation(
                "Lease jobs",
                {200: json_content("Up to `max` jobs, the oldest first.", "LeasedJobs", {"jobs": [_LEASED]})},
                json_content(
                    "The maximum number of jobs, the duration of the lease in seconds and the name of the worker.",
                    "LeaseRequest",
                    _LEASE_REQUEST,
                ),
                errors=(400, 404),
                description="Report the result or renew the lease before it expires; otherwise another worker receives the job. "
                "`aoi`, a name or a pattern, restricts the jobs to the matching AOIs.",
            ),
            "put": Operation(
                "Renew several leases",
                {200: json_content("The count of renewed leases, and the leases that are not valid.", "RenewedMany")},
                json_content("The leases, and their new duration from now in seconds.", "RenewManyRequest", _RENEWED),
                errors=(400, 404),
                description="Stop work on jobs without a valid lease.",
            ),
        },
    ),
    Route(
        "work",
        "/jobs/{queue}/lease/{lease}",
        jobs.RenewJob,
        {
            "put": Operation(
                "Renew a lease",
                {200: json_content("The new time of expiry.", "Renewed")},
                json_content("The new duration from now, in seconds.", "RenewRequest", {"seconds": 300}),
                errors=(400, 404),
            )
        },
    ),
]

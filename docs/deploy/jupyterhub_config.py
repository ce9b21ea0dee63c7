"""JupyterHub configuration: the workflow server as a managed service of the hub."""

import sys

c = get_config()  # noqa: F821 - defined by JupyterHub

SCOPE = "access:services!service=ingestion"

c.JupyterHub.services = [
    {
        "name": "ingestion",
        # The address that the service listens on; the hub's proxy serves it at /services/ingestion/.
        "url": "http://127.0.0.1:10101",
        "command": [
            *(sys.executable, "-m", "workflow_monitor.cli", "serve"),
            "--store=duckdb:////srv/ingestion/workflow.duckdb",
        ],
        # Add WORKFLOW_MONITOR_WORKER_TOKEN for workers that are not users of the hub.
        "environment": {},
        # The login at the hub counts; no second confirmation.
        "oauth_no_confirm": True,
    }
]

# Access: users by group or name, and the servers of users with their own tokens.
c.JupyterHub.load_roles = [
    {"name": "ingestion", "scopes": [SCOPE], "groups": ["ingestion"]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", SCOPE]},
]
c.JupyterHub.load_groups = {"ingestion": {"users": ["eva"]}}

# Jupyter servers of users forward requests to the service with the user's name, so users share no token.
c.Spawner.environment = {"WORKFLOW_MONITOR_UPSTREAM": "http://127.0.0.1:8000/services/ingestion/"}

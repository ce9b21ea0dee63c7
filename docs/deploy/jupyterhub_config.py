"""What a JupyterHub has to be told of the workflow server, as one of its services that it starts itself."""

import sys

c = get_config()  # noqa: F821 - JupyterHub brings it

SCOPE = "access:services!service=ingestion"

c.JupyterHub.services = [
    {
        "name": "ingestion",
        # Where it listens; the hub's proxy has it at /services/ingestion/.
        "url": "http://127.0.0.1:10101",
        "command": [
            *(sys.executable, "-m", "workflow_monitor.cli", "serve"),
            "--store=duckdb:////srv/ingestion/workflow.duckdb",
        ],
        # Add WORKFLOW_MONITOR_WORKER_TOKEN for workers that are no users of the hub.
        "environment": {},
        # People who log in at the hub are not asked again.
        "oauth_no_confirm": True,
    }
]

# Who may use it: people by their group or name, and the servers of users, which ask it with tokens of their own.
c.JupyterHub.load_roles = [
    {"name": "ingestion", "scopes": [SCOPE], "groups": ["ingestion"]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", SCOPE]},
]
c.JupyterHub.load_groups = {"ingestion": {"users": ["eva"]}}

# Jupyter servers of users pass on to it, with the user's name: no token has to be handed around.
c.Spawner.environment = {"WORKFLOW_MONITOR_UPSTREAM": "http://127.0.0.1:8000/services/ingestion/"}

"""HTTP header names of the REST interface."""

from __future__ import annotations

#: header with the name of the user or worker on whose behalf a client sends a request
ACTOR_HEADER = "X-Workflow-Monitor-Actor"

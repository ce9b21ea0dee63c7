"""`python -m workflow_monitor.cli` is `workflow-monitor`."""

from workflow_monitor.cli import main

main()

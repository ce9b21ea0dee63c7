"""`python -m workflow_monitor.cli` is `workflow-monitor`."""

from workflow_monitor.cli import main

if __name__ == "__main__":
    main()

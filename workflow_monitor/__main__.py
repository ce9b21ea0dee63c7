"""`python -m workflow_monitor` is the command `workflow-monitor`."""

from workflow_monitor.cli import main

if __name__ == "__main__":
    main()

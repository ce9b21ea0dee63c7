"""Where the examples in docstrings run: those of the client in a kernel, by tests/client/test_examples.py."""

collect_ignore_glob = ["workflow_monitor/client/*"]

"""Doctests: the client's examples need a server and run in tests/integration/client/test_examples.py."""

collect_ignore_glob = ["workflow_monitor/client/*"]

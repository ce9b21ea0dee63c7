"""Execution of commands, queries and the event feed, over a store."""

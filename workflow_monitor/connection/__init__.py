"""Addresses, tokens and the environment of a process: the base of the client and of servers that forward requests."""

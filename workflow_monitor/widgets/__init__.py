"""Panels for notebooks: each is a file of Python with its JavaScript beside it."""

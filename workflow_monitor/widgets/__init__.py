"""Panels for notebooks: Python traits, with an ES module of the same name that draws the panel."""

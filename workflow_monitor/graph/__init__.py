"""The dependency graph of an AOI, as text and as a picture."""

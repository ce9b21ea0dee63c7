"""The Jupyter server extension: the REST interface over the engine."""

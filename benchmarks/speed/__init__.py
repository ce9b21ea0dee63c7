"""How fast the workflow server is, over HTTP, at growing sizes: `python -m benchmarks.speed --size 10000 100000`."""

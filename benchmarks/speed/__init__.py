"""Speed of the workflow server over HTTP, at growing sizes: `python -m benchmarks.speed --size 10000 100000`."""

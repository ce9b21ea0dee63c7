"""Models and rules of an ingestion: pure, without I/O and without a clock."""

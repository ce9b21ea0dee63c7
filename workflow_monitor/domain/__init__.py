"""What an ingestion is and how it goes on: pure, with no I/O and no clock."""

"""An example ingestion over Denmark and its surroundings, with simulated workers."""

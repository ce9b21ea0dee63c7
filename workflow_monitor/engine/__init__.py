"""The workflow at work: commands, queries and the feed of events, over a store."""

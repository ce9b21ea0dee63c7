"""Queues, which bring jobs to workers, and their interface."""

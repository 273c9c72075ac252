"""Runs are deleted, restored and purged."""

"""Runs: being written, and being read."""

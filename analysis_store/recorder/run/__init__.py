"""Recordings that become analysis runs when they are closed."""

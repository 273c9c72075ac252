"""Writing and reading of runs."""

"""A catalog is rebuilt from the run files."""

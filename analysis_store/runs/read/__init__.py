"""A run is found and read."""

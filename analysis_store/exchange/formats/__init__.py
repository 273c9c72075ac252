"""One module for each format: how a run is written in it, and read from it."""

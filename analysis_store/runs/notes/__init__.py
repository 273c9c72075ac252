"""Notes on runs, and the records of runs that were deleted."""

"""Many results: a task, its workers, its log, and analysis in the background."""

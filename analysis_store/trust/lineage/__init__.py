"""Results are traced to their sources, and sources to their results."""

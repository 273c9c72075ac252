"""A store is checked and repaired."""

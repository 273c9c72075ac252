"""The catalog in MongoDB."""

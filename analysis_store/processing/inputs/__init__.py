"""The inputs of a processor, and what it returns."""

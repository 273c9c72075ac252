"""The identity of values and results, and how two values differ."""

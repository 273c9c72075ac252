"""The code of a result and the software around it, found by looking at the caller."""

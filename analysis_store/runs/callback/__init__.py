"""The documents of foreign runs, as they come in."""

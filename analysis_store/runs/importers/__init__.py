"""Files of other programs, read as columns and saved as runs."""

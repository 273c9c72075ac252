"""The code of a processor as it is written: what counts for the identity of a result."""

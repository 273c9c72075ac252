"""One result: found in the store or computed, explained, compared, repeated."""

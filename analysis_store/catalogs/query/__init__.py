"""One query for all catalogs: how it is written, what it means, and which entries of an index answer it."""

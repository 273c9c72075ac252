"""A run is written: its documents, its file, its entry in the catalog."""

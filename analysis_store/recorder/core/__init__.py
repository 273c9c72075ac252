"""Recorders and datastores: values under keys, what they are, and how they are read."""

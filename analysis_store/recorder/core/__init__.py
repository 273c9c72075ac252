"""Recorders and datastores: values under keys, their kinds, and reading."""

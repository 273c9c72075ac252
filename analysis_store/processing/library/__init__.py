"""Processors that come with the package: thin layers over well-kept libraries."""

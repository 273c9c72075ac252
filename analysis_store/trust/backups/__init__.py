"""A store is copied while it is in use."""

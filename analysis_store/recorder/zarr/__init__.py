"""The datastore in a Zarr directory."""

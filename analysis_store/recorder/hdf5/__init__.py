"""The datastore in an HDF5 file, which other processes read while it grows."""

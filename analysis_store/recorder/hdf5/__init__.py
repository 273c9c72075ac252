"""The datastore in an HDF5 file, which other processes can read while it grows."""

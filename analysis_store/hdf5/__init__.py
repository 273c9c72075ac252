"""HDF5 itself: fast creation of objects, storage of arrays of every dtype, and safe opening of untrusted files."""
